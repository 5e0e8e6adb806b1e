"""The paths of objects in a bag."""

from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.datasets.local_paths import why_no_path
from s3pipelines.core.datasets.members import Members
from s3pipelines.core.fixity.bag_paths import encoded_path, in_manifest, named_for_bag


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("../x", "%2E%2E/x"),
        ("a/./b", "a/%2E/b"),
        ("/abs", "%2Fabs"),
        ("//abs", "%2F%2Fabs"),
        ("a//b", "a/%2Fb"),
        ("a///b", "a/%2F%2Fb"),
        ("a/", "a%2F"),
        ("nul.txt", "%6Eul.txt"),
        (".s3pipelines/x", "%2Es3pipelines/x"),
        ("a\r\nb", "a%0D%0Ab"),
        ("100%/..", "100%25/%2E%2E"),
    ],
)
def test_what_cannot_be_a_name_is_encoded(key: str, path: str):
    assert encoded_path(key) == path
    assert why_no_path(path) is None


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_every_key_has_a_path_from_which_it_can_be_told(key: str):
    path = encoded_path(key)

    assert unquote(path) == key
    assert why_no_path(path) is None


def test_a_manifest_writes_percent_signs_and_line_breaks_as_bagit_asks():
    assert in_manifest("data/50%\r\n") == "data/50%25%0D%0A"


def test_keys_that_get_into_each_others_way_all_have_paths_of_their_own(tmp_path: Path):
    keys = ["%2E%2E", "../x", "%2E%2E/x", "A.tif", "a.tif", "d", "d/e", "é", "e\u0301"]
    rows = {"key": keys, "etag": ["e"] * len(keys), "version_id": pa.nulls(len(keys), pa.string())}
    table = pa.table({**rows, "size_bytes": [0] * len(keys)})
    pq.write_table(table, tmp_path / "members.parquet")
    members = Members(tmp_path / "members.parquet", "", len(keys), 0)

    named = {member.key: (member.name, why) for member, why in named_for_bag(members, 0)}

    assert all(why is None for _, why in named.values())
    paths = [path.casefold() for path, _ in named.values()]
    assert len(set(paths)) == len(keys)
    assert not {path for path in paths if any(other.startswith(f"{path}/") for other in paths)}
    assert (named["A.tif"][0], named["a.tif"][0]) == ("A.tif", "%61%2E%74%69%66")


def test_a_name_that_is_too_long_has_no_path(tmp_path: Path):
    table = pa.table({"key": ["n" * 300], "etag": ["e"], "version_id": [""], "size_bytes": [0]})
    pq.write_table(table, tmp_path / "members.parquet")

    ((_, why),) = named_for_bag(Members(tmp_path / "members.parquet", "", 1, 0), 0)

    assert why is not None
    assert why.error == "name"
