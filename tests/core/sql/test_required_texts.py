"""What an expression cannot do without: no text that it matches lacks it."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.sql.required_texts import Required, required, with_required_texts
from s3pipelines.core.sql.session import Session
from tests.examples import examples


@pytest.mark.parametrize(
    ("regex", "inside", "end"),
    [
        (r"IMG_00[0-9]+7\.jpg$", "IMG_00", "7.jpg"),
        ("^maps/", "maps/", ""),
        ("ab*cde", "cde", ""),
        ("abc+def", "cdef", ""),
        ("a{2}bcd", "bcd", ""),
        ("abc++", "ab", ""),
        ("ab[]c]def", "def", ""),
        ("[[:alpha:]]+hello", "hello", ""),
        (r"\d+-\w-scan", "-scan", ""),
        (r"foo\.bar", "foo.bar", ""),
        ("abc(?i)def$", "ab", ""),
        ("abc(?i)*", "ab", ""),
        ("ab+(?i)*", "a", ""),
        ("abc$d", "abc", ""),
        ("Ä😀b", "Ä😀b", ""),
        ("abcd??ef", "abc", ""),
        ("abc{,3}", "ab", ""),
        ("abc|def", "", ""),
        ("(?i)abc", "", ""),
        (r"\Qabc\E", "", ""),
        (r"\x{41}bc", "", ""),
        ("[a[b]cde", "", ""),
        ("", "", ""),
    ],
)
def test_what_is_certain_is_taken_and_nothing_else(regex: str, inside: str, end: str):
    assert required(regex) == Required(inside, end)


_PIECES = st.sampled_from(
    [
        *("a", "b", "ab", "ba", r"\.", r"\d", r"\b", ".", "^", "$", "{", "|"),
        *("[ab]", "[^a]", "[]a]", r"[a\]]", "(a|b)", "(ab)", "(?i)", r"\Qa.\E"),
        *("*", "+", "?", "*?", "+?", "{2}", "{0,1}"),
    ]
)


@examples(300)
@given(st.lists(_PIECES, max_size=7).map("".join))
def test_every_text_that_matches_has_it(regex: str):
    found = required(regex)
    # All texts of up to four of these characters.
    texts = "SELECT '' AS t UNION ALL SELECT c FROM (VALUES ('a'), ('b'), ('A'), ('.'), ('1')) v(c)"
    query = f"""
        WITH one AS ({texts}), t AS (
            SELECT x.t || y.t || z.t || w.t AS key FROM one x, one y, one z, one w
        )
        SELECT count(*) FROM t WHERE regexp_matches(key, {sql_text(regex)})
            AND NOT (contains(key, {sql_text(found.inside)}) AND suffix(key, {sql_text(found.end)}))
    """
    with duckdb.connect() as connection:
        try:
            (missed,) = connection.execute(query).fetchall()[0]
        except duckdb.Error:
            return  # No expression.
    assert missed == 0


def rewritten(statement: str) -> str:
    with duckdb.connect() as connection:
        return with_required_texts(connection, statement)


@pytest.mark.parametrize(
    ("condition", "instead"),
    [
        ("regexp_matches(key, 'abc.')", "(contains(key, 'abc') AND regexp_matches(key, 'abc.'))"),
        (
            "ü = 'regexp_matches(k)' OR REGEXP_MATCHES( o.k, '.t''s$' )",
            "ü = 'regexp_matches(k)' OR (suffix(o.k, 't''s') AND REGEXP_MATCHES( o.k, '.t''s$' ))",
        ),
    ],
)
def test_a_condition_gets_another_one_before_it(condition: str, instead: str):
    assert rewritten(f"EXPLAIN FROM o WHERE {condition}") == f"EXPLAIN FROM o WHERE {instead}"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT regexp_matches(key, 'abc') FROM o",
        "FROM o WHERE NOT regexp_matches(key, 'abc')",
        "FROM o WHERE regexp_matches(key, 'abc', 'i')",
        "FROM o WHERE regexp_matches(key || 'x', 'abc')",
        "FROM o WHERE regexp_matches(key, 'ab')",
        "FROM o WHERE key = 'regexp_matches(key, ''abc'')'",
    ],
)
def test_everything_else_stays_as_it_is(statement: str):
    assert rewritten(statement) == statement


def test_the_answer_of_a_session_is_the_same(filled_session: Session):
    for pattern, keys in {
        r"maps/[ab]\.tif$": ["maps/a.tif", "maps/b.tif"],
        r"^scans/\d\.h5": ["scans/1.h5", "scans/2.h5"],
        "(?i)MAPS/C": ["maps/c.png"],
    }.items():
        found = filled_session.run(
            f"SELECT key FROM objects WHERE regexp_matches(key, '{pattern}') ORDER BY key"
        )
        assert found.read_all().column("key").to_pylist() == keys
