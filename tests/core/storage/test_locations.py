from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.storage.locations import (
    FolderLocation,
    S3Location,
    parse_location,
    parse_s3_location,
)

BUCKETS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{1,40}", fullmatch=True)
KEYS = st.text(st.characters(codec="utf-8"), max_size=12)
# Few letters, so that prefixes of each other turn up.
FEW = st.text(alphabet="ab/", max_size=6)
PREFIXES = FEW.map(lambda text: text and text.rstrip("/") + "/")


@given(BUCKETS, KEYS)
def test_a_location_is_read_back_from_its_uri(bucket: str, text: str) -> None:
    location = parse_s3_location(f"s3://{bucket}/{text}")
    assert parse_s3_location(location.uri) == location
    assert location.bucket == bucket


@given(BUCKETS, KEYS)
def test_a_prefix_always_means_a_folder(bucket: str, text: str) -> None:
    prefix = parse_s3_location(f"s3://{bucket}/{text}").prefix
    assert prefix in ("", text, text + "/")
    assert prefix == "" or prefix.endswith("/")


@given(PREFIXES, PREFIXES, st.lists(FEW))
def test_one_location_contains_another_if_all_keys_of_that_are_its_own(
    one: str, other: str, names: list[str]
) -> None:
    keys_of_other = [other + name for name in ["", "x", *names]]
    expected = all(key.startswith(one) for key in keys_of_other)
    assert S3Location("bkt", one).contains(S3Location("bkt", other)) == expected


@given(PREFIXES, PREFIXES)
def test_locations_overlap_if_some_key_lies_in_both(one: str, other: str) -> None:
    keys = {one, other}
    shared = any(key.startswith(one) and key.startswith(other) for key in keys)
    assert S3Location("bkt", one).overlaps(S3Location("bkt", other)) == shared
    assert S3Location("bkt", other).overlaps(S3Location("bkt", one)) == shared


def test_locations_in_different_buckets_never_overlap() -> None:
    assert not S3Location("one").overlaps(S3Location("other"))


def test_a_prefix_means_whole_segments() -> None:
    assert not parse_s3_location("s3://bkt/scan").overlaps(parse_s3_location("s3://bkt/scans"))
    assert parse_s3_location("s3://bkt/scan").overlaps(parse_s3_location("s3://bkt/scan/2024"))


def test_slashes_in_a_prefix_are_kept_as_the_keys_have_them() -> None:
    assert parse_s3_location("s3://bkt//a//b/") == S3Location("bkt", "/a//b/")


@pytest.mark.parametrize(
    "text",
    ["", "b/p", "s3:/b", "s3://", "s3:///p", "http://b/p", "s3://b?x/p", "s3://-b/p", "s3://a b"],
)
def test_what_is_no_s3_path_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match="s3://BUCKET/PREFIX"):
        parse_s3_location(text)


def test_a_child_is_one_folder_further_down() -> None:
    assert parse_s3_location("s3://bkt/p").child("tables") == S3Location("bkt", "p/tables/")
    assert S3Location("bkt").child("/tables/") == S3Location("bkt", "tables/")
    assert S3Location("bkt", "p/").child("") == S3Location("bkt", "p/")
    assert FolderLocation(Path("/c")).child("tables") == FolderLocation(Path("/c/tables"))


def test_a_child_never_leaves_its_folder() -> None:
    assert FolderLocation(Path("/c")).child("/etc") == FolderLocation(Path("/c/etc"))


def test_a_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_location("state/catalog") == FolderLocation(tmp_path / "state" / "catalog")
    assert parse_location("~").uri == str(Path.home())


def test_a_folder_may_have_spaces_and_any_letters(tmp_path: Path) -> None:
    folder = tmp_path / "Jörgs Karten (neu) #2, 地図"
    assert parse_location(str(folder)) == FolderLocation(folder)


@pytest.mark.parametrize("odd", ["%", "[", "]", "^", "|", "\\", "*", "?", "\n", "\x00"])
def test_a_folder_that_deltalake_cannot_use_is_refused(odd: str) -> None:
    with pytest.raises(InvalidInput, match="in its path"):
        parse_location(f"/srv/a{odd}b")


def test_the_home_of_nobody_is_refused() -> None:
    with pytest.raises(InvalidInput, match="There is no folder"):
        parse_location("~no-such-user-here/catalog")


def test_an_empty_location_is_refused() -> None:
    with pytest.raises(InvalidInput, match="The location is empty"):
        parse_location("  ")


def test_the_projects_own_prefix_may_be_the_whole_bucket_or_plain_segments() -> None:
    assert parse_location("s3://bkt") == S3Location("bkt")
    assert parse_location("s3://bkt/team_1/v1.2/x=y") == S3Location("bkt", "team_1/v1.2/x=y/")


@pytest.mark.parametrize(
    "prefix", ["a b", "ä", "a%20b", "a//b", "a/../b", "./a", "a?b", "a#b", "/a"]
)
def test_the_projects_own_prefix_has_no_character_that_libraries_read_differently(
    prefix: str,
) -> None:
    with pytest.raises(InvalidInput, match="cannot hold the project's own data"):
        parse_location(f"s3://bkt/{prefix}")


def test_a_source_may_have_any_prefix_all_the_same() -> None:
    assert parse_s3_location("s3://bkt/a b/ä%20/../c").prefix == "a b/ä%20/../c/"
