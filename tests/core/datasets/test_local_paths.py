"""Keys as paths: what can be one, and which get into each other's way."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.datasets.local_paths import Crowd, why_no_path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "nothing after"),
        ("/etc/passwd", "absolute"),
        ("../a", "empty, '.' or '..'"),
        ("a/../../b", "empty, '.' or '..'"),
        ("a/./b", "empty, '.' or '..'"),
        ("a//b", "empty, '.' or '..'"),
        ("a/", "empty, '.' or '..'"),
        ("..", "empty, '.' or '..'"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("a\x85b", "control"),
        ("nul", "device"),
        ("a/CON.txt", "device"),
        ("a/com1 .log/b", "device"),
        (".s3pipelines/state.sqlite", "own state"),
        (".S3Pipelines/x", "own state"),
        ("a" * 256, "255 bytes"),
        ("ü" * 128, "255 bytes"),
        ("/".join(["a" * 250] * 4), "4,095 bytes"),
    ],
)
def test_what_can_be_no_path_says_why(name: str, words: str):
    why = why_no_path(name, folder_bytes=3100)

    assert why is not None
    assert words in why.detail


@pytest.mark.parametrize("name", ["a", "a/b.tif", "…/ü b", "..a/b..", "con/x1"[1:], "null", "a\\b"])
def test_other_names_are_paths(name: str):
    assert why_no_path(name) is None


@given(
    st.text(min_size=1, max_size=60)
    | st.lists(st.sampled_from(["..", ".", "", "a", "/"])).map("/".join)
)
def test_no_name_that_passes_leads_out_of_the_folder(name: str):
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    if why_no_path(name) is not None:
        return
    path = Path(os.path.normpath(Path("/folder") / name))
    assert Path("/folder") in path.parents


def _judged(*names: str) -> dict[str, str | None]:
    crowd = Crowd()
    crowd.note(names)
    return {name: (why := crowd.why_not(name)) and why.detail for name in names}


def test_a_key_that_is_a_folder_of_others_can_be_no_file():
    judged = _judged("a", "a-b", "a/b", "a/b/c/d", "x/y")

    failed = {name for name, why in judged.items() if why}
    assert failed == {"a", "a/b"}


def test_keys_that_differ_by_case_or_accents_alone_have_one_place_for_the_first():
    judged = _judged("Maps/A.tif", "maps/a.tif", "u\u0308.tif", "\u00fc.tif", "STRASSE", "straße")

    assert [name for name, why in judged.items() if why] == ["maps/a.tif", "\u00fc.tif", "straße"]


def test_folders_that_differ_by_case_are_one_and_a_file_of_that_name_has_no_place():
    judged = _judged("A", "a/b", "B/x", "b/y")

    assert [name for name, why in judged.items() if why] == ["A"]
