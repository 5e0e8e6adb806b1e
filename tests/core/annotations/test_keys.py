"""Which object a key of a file means."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3pipelines.core.annotations.files import Given
from s3pipelines.core.annotations.keys import Matched, match_keys
from s3pipelines.core.errors import InvalidInput
from tests.examples import examples

PREFIX = "maps/"


def matching(
    keys: list[str], objects: list[str], prefix: str = PREFIX
) -> tuple[Matched, list[tuple[str, bool]]]:
    with duckdb.connect() as connection:
        numbers = list(range(1, len(keys) + 1))
        connection.register("given", pa.table({"number": numbers, "given_key": keys}))
        connection.register("objects", pa.table({"key": pa.array(objects, pa.string())}))
        found = match_keys(connection, Given(Path("x.csv"), "file", (), len(keys)), prefix)
        rows = connection.execute("SELECT key, known FROM matched ORDER BY number").fetchall()
        return found, rows


@pytest.mark.parametrize(
    ("keys", "objects", "meant"),
    [
        (["a"], ["maps/a"], ["maps/a"]),
        (["maps/a"], ["maps/a"], ["maps/a"]),
        (["maps/a", "b"], ["maps/a", "maps/b"], ["maps/a", "maps/b"]),
        (["maps/a"], ["maps/maps/a"], ["maps/maps/a"]),
        # The index has both, or neither: all begin with the prefix, or not.
        (["maps/a"], ["maps/a", "maps/maps/a"], ["maps/a"]),
        (["maps/a", "a"], ["maps/a", "maps/maps/a"], ["maps/maps/a", "maps/a"]),
        (["maps/z"], [], ["maps/z"]),
        (["maps/z", "y"], [], ["maps/maps/z", "maps/y"]),
        (["other/z"], [], ["maps/other/z"]),
    ],
)
def test_a_key_is_full_or_relative_as_the_index_and_the_file_tell(
    keys: list[str], objects: list[str], meant: list[str]
):
    _, rows = matching(keys, objects)

    assert rows == [(key, key in objects) for key in meant]


def test_without_a_prefix_there_is_one_reading():
    found, rows = matching(["a", "b"], ["b", "c", "d"], prefix="")

    assert rows == [("a", False), ("b", True)]
    assert found == Matched(1, 1, ("a",), 2)


@pytest.mark.parametrize("keys", [["a", "b", "a"], ["a", "b", "maps/a"]])
def test_two_rows_of_one_object_are_refused_with_their_numbers(keys: list[str]):
    with pytest.raises(InvalidInput, match=r"'maps/a' in 1, 3"):
        matching(keys, ["maps/a", "maps/b"])


_KEY = st.text(st.sampled_from("a'%_Ä😀/"), min_size=1, max_size=3)
_KEYS = st.lists(st.builds(str.__add__, st.sampled_from(["", PREFIX]), _KEY), unique=True)


@examples(60)
@given(_KEYS, st.sets(st.builds(str.__add__, st.sampled_from([PREFIX, PREFIX * 2]), _KEY)))
@example(["maps/a", "a"], {"maps/a"})
def test_every_row_means_one_key_and_a_known_one_where_there_is_one(
    keys: list[str], objects: set[str]
):
    full = all(key.startswith(PREFIX) for key in keys)
    meant: list[str] = []
    for key in keys:
        readings = [f"{PREFIX}{key}", *([key] if key.startswith(PREFIX) else [])]
        known = [reading for reading in readings if reading in objects]
        meant.append(known[0] if len(known) == 1 else readings[-1] if full else readings[0])
    if not keys:
        return
    try:
        found, rows = matching(keys, sorted(objects))
    except InvalidInput:
        assert len(set(meant)) < len(meant)
        return
    assert [key for key, _ in rows] == meant
    assert found.matched == len(objects & set(meant))
    assert found.objects_without_row == len(objects) - found.matched
