"""Selections as SQL conditions: what they let through, and what they refuse."""

import fnmatch

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.selection import Selection
from tests.examples import examples

KEYS = ["maps/a.tif", "maps/b.jpg", "maps/sub/c.tif", "maps/Ä%_[x].tif"]


def selected(selection: Selection, keys: list[str] = KEYS, prefix: str = "maps/") -> list[str]:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE objects (key VARCHAR, size_bytes BIGINT)")
        connection.executemany("INSERT INTO objects VALUES (?, ?)", [[k, len(k)] for k in keys])
        condition = selection.condition(connection, prefix)
        found = connection.execute(f"SELECT key FROM objects WHERE {condition}").fetchall()
    return [key for (key,) in found]


def test_nothing_given_selects_everything():
    assert selected(Selection()) == KEYS


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(where="size_bytes > 10 -- large ones"), KEYS[2:]),
        (Selection(where="key IN (SELECT max(key) FROM objects)"), KEYS[3:]),
        (Selection(regex=r"^[ab]\."), KEYS[:2]),
        (Selection(glob="*.tif"), [KEYS[0], *KEYS[2:]]),
        (Selection(glob="?.tif"), KEYS[:1]),
        (Selection(keys=frozenset({"maps/b.jpg", "other"})), KEYS[1:2]),
        (Selection(glob="*.tif", regex="sub"), KEYS[2:3]),
    ],
)
def test_what_is_given_must_hold(selection: Selection, expected: list[str]):
    assert selected(selection) == expected


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(where="no_such > 1"), "no_such"),
        (Selection(where="size_bytes >"), "syntax error"),
        (Selection(where="getenv('HOME') = ''"), "refused"),
        (Selection(where="key IN (SELECT content FROM read_text('/etc/passwd'))"), "refused"),
        (Selection(regex="("), r"missing \)|regular expression|unexpected"),
    ],
)
def test_what_is_wrong_is_refused_with_the_reason(selection: Selection, words: str):
    with pytest.raises(InvalidInput, match=words):
        selected(selection)


_TEXT = st.text(st.sampled_from("ab-!]^\\.*?[é😀\n/"), max_size=8)


@examples(100)
@given(_TEXT, _TEXT)
@example("[!]a]b", "xb")
@example("[b-a]", "b")
@example("[", "[")
@example("[^a]", "^")
def test_globs_mean_what_they_mean_to_fnmatch(glob: str, name: str):
    expected = fnmatch.fnmatchcase(name, glob)

    assert (selected(Selection(glob=glob), [f"p/{name}"], "p/") != []) == expected
