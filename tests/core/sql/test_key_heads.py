"""Heads of patterns: no key that the pattern lets through lies outside of the range."""

import re

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql import selection
from s3pipelines.core.sql.key_heads import head_of_glob, head_of_regex
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.sql.selection import Selection
from tests.core.sql.test_selection import selected
from tests.examples import examples


@pytest.mark.parametrize(
    ("glob", "head"),
    [
        ("maps/2023/*.tif", "maps/2023/"),
        ("a?c", "a"),
        ("a[bc]", "a"),
        ("exact.tif", "exact.tif"),
        ("*", ""),
        (r"a\b*", r"a\b"),
    ],
)
def test_a_glob_begins_with_what_stands_before_its_first_wildcard(glob: str, head: str):
    assert head_of_glob(glob) == head


@pytest.mark.parametrize(
    ("regex", "head"),
    [
        ("^maps/2023/", "maps/2023/"),
        (r"^maps/a\.tif$", "maps/a.tif"),
        ("^maps/(a|b)", "maps/"),
        (r"^maps/\d", "maps/"),
        ("^ab?", "a"),
        ("^ab*", "a"),
        ("^ab{0}", "a"),
        ("^abc(?i)def", "ab"),
        ("^abc(?i)*", "ab"),
        ("^Ä😀.", "Ä😀"),
        ("maps", ""),
        ("^a|b", ""),
        ("^a(b)|c", ""),
        (r"^a\(|b", ""),
        ("^a[(]|b", ""),
        (r"^a\Q(\E|b", ""),
        ("(?i)^maps", ""),
        ("^*a", ""),
        ("^^a", ""),
        ("", ""),
    ],
)
def test_a_regex_begins_with_what_is_certain(regex: str, head: str):
    assert head_of_regex(regex) == head


NAMES = st.lists(st.text("ab|\\.(é😀\ud7ff\ue000\U0010ffff\n", max_size=4), max_size=8)
REGEXES = st.text("^ab|\\.*?+(){}[]$éQE1,😀\U0010ffff", max_size=7)
GLOBS = st.text("ab*?[]!-é\U0010ffff\\|", max_size=6)


def matching(names: list[str], condition: str) -> list[str]:
    """The names for which a condition holds, without any range."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE names (name VARCHAR)")
        connection.executemany("INSERT INTO names VALUES (?)", [[name] for name in ["", *names]])
        return [
            f"p/{name}"
            for (name,) in connection.execute(f"FROM names WHERE {condition}").fetchall()
        ]


@examples(40)
@given(REGEXES, NAMES)
@example("^a|b", ["b"])
@example("^ab?", ["a"])
@example("^a[(]|b", ["b"])
@example("^\U0010ffff", ["\U0010ffff", "\U0010ffffa"])
def test_a_range_takes_no_object_from_a_regex(regex: str, names: list[str]):
    try:
        found = selected(Selection(regex=f"^{regex}"), [f"p/{n}" for n in ["", *names]], "p/")
    except InvalidInput:
        return  # Not an expression.

    assert found == matching(names, f"regexp_matches(name, {sql_text('^' + regex)})")


@examples(40)
@given(GLOBS, NAMES)
@example("a\U0010ffff*", ["a\U0010ffff", "a\U0010ffffb", "b"])
def test_a_range_takes_no_object_from_a_glob(glob: str, names: list[str]):
    found = selected(Selection(glob=glob), [f"p/{name}" for name in ["", *names]], "p/")

    pattern = sql_text(selection._regex_of(glob))
    assert found == matching(names, f"regexp_full_match(name, {pattern}, 's')")


@pytest.mark.parametrize(
    "chosen", [Selection(glob="2023/*.tif"), Selection(regex=r"^2023/.*\.tif$")]
)
def test_the_head_of_a_pattern_is_a_range_of_the_condition(chosen: Selection):
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE objects (key VARCHAR)")
        condition = chosen.condition(connection, "maps/")

    assert re.match(r"key >= 'maps/2023/' AND key < 'maps/20230' AND ", condition)


def test_listed_keys_are_a_range_too():
    keys = Selection(keys=frozenset({"m/c", "m/b", "m/z"})).key_range("m/")

    assert (keys.start, keys.end) == ("m/b", "m/{")
