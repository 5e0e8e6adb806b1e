"""What a statement asks of a table: enough for its answer, and no more where that is certain."""

import itertools
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.key_ranges import KeyRange
from s3pipelines.core.sql.gate import parsed
from s3pipelines.core.sql.questions import EVERYTHING, Part, asked_parts
from s3pipelines.core.sql.session import Session, open_session
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.catalog.states import States
from tests.examples import examples


def asked(statement: str) -> dict[str, Part]:
    with duckdb.connect() as connection:
        return asked_parts(parsed(connection, statement))


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        ("key = 'a'", KeyRange("a", "a\0")),
        ("'a' <= key AND o.key < 'b'", KeyRange("a", "b")),
        ("key > 'a' AND key <= 'b'", KeyRange("a\0", "b\0")),
        ("key BETWEEN 'a' AND 'b' AND size_bytes > 5", KeyRange("a", "b\0")),
        ("key IN ('c', 'a')", KeyRange("a", "c\0")),
        ("starts_with(key, 'a/')", KeyRange("a/", "a0")),
        ("key LIKE 'a/%_b'", KeyRange("a/", "a0")),
        ("regexp_matches(key, '^a/')", KeyRange("a/", "a0")),
        ("key = 'a' OR key = 'b'", KeyRange()),
        ("NOT key = 'a'", KeyRange()),
        ("key NOT IN ('a')", KeyRange()),
        ("lower(key) = 'a'", KeyRange()),
        ("key COLLATE NOCASE = 'a'", KeyRange()),
        ("key IN ('a', etag)", KeyRange()),
        ("key > NULL", KeyRange()),
        ("etag = 'a' AND key ILIKE 'a%'", KeyRange()),
    ],
)
def test_conditions_on_the_key_are_a_range(where: str, keys: KeyRange):
    assert asked(f"FROM objects AS o WHERE {where}")["objects"].keys == keys


def test_conditions_on_the_source_name_sources():
    statement = "FROM objects WHERE source IN ('a', 'b') AND source = 'b' AND key > 'k'"
    assert asked(statement) == {"objects": Part(frozenset({"b"}), KeyRange("k\0"))}


@pytest.mark.parametrize(
    "statement",
    [
        "FROM objects a, objects b WHERE a.key = 'x' AND b.key = 'x'",
        "FROM objects JOIN images USING (source, key) WHERE key = 'x'",
        "SELECT * FROM objects UNION ALL SELECT * FROM objects WHERE key = 'x'",
        "FROM objects AS t(key, source) WHERE key = 'x'",
        "SELECT upper(key) AS key FROM objects WHERE key = 'x'",
        "FROM objects WHERE key = 'x' USING SAMPLE 3",
        "SELECT * FROM objects TABLESAMPLE 10% WHERE key = 'x'",
        "FROM (FROM objects) WHERE key = 'x'",
        "FROM objects WHERE other.key = 'x'",
    ],
)
def test_where_it_is_not_certain_all_is_asked(statement: str):
    part = asked(statement)["objects"]
    assert (part.sources, part.keys, part.first) == (None, EVERYTHING.keys, None)


def test_the_first_rows_by_key_are_enough_if_nothing_else_is_asked():
    def first(statement: str) -> int | None:
        return asked(statement)["objects"].first

    assert first("FROM objects ORDER BY key LIMIT 5") == 5
    assert first("SELECT key, etag FROM objects WHERE key > 'a' ORDER BY key LIMIT 5 OFFSET 2") == 7
    for statement in (
        "FROM objects ORDER BY key DESC LIMIT 5",
        "FROM objects ORDER BY size_bytes, key LIMIT 5",
        "FROM objects LIMIT 5",
        "FROM objects ORDER BY key",
        "FROM objects ORDER BY key LIMIT 5%",
        "FROM objects WHERE size_bytes > 1 ORDER BY key LIMIT 5",
        "FROM objects WHERE key IN ('a', 'b') ORDER BY key LIMIT 5",
        "FROM objects WHERE key LIKE 'a%b' ORDER BY key LIMIT 5",
        "SELECT DISTINCT key FROM objects ORDER BY key LIMIT 5",
        "SELECT key, count(*) FROM objects GROUP BY ALL ORDER BY key LIMIT 5",
        "SELECT key FROM objects GROUP BY ALL ORDER BY key LIMIT 5",
        "SELECT key FROM objects QUALIFY row_number() OVER () > 2 ORDER BY key LIMIT 5",
        "SELECT * REPLACE (etag AS key) FROM objects ORDER BY key LIMIT 5",
    ):
        assert first(statement) is None, statement


_SOURCES = ("maps", "scans")
_KEYS = ["".join(letters) for letters in itertools.product("abc", repeat=3)]


@pytest.fixture(scope="module", params=["merged", "with a tail"])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Session, duckdb.DuckDBPyConnection]]:
    """A session over two sources in several files each, and the same rows in a table."""
    states = States(Catalog(FolderLocation(tmp_path_factory.mktemp("asked"))))
    for source, size in zip(_SOURCES, (4, 7), strict=True):
        for start in range(0, len(_KEYS), size):
            states.append(source, **dict.fromkeys(_KEYS[start : start + size], source))
    if request.param == "with a tail":
        states.tail("maps", abc="new", zzz="new")
        states.tail("maps", gone=True, aaa="")
    with open_session(states.catalog) as session, duckdb.connect() as connection:
        connection.register("rows", session.run("FROM objects").read_all())
        connection.execute("CREATE TABLE objects AS FROM rows")
        yield session, connection


_TEXTS = st.sampled_from(["", "a", "ab", "abc", "b", "bb", "c", "cc", "ccc", "zzz", "a%", "b_"])
_CONDITIONS = st.one_of(
    st.builds(
        "{} {} '{}'".format,
        st.sampled_from(["key", "objects.key", "source"]),
        st.sampled_from(["=", "<", "<=", ">", ">=", "<>", "LIKE"]),
        _TEXTS | st.sampled_from(_SOURCES),
    ),
    st.builds("'{1}' {0} key".format, st.sampled_from(["=", "<", ">="]), _TEXTS),
    st.builds("key BETWEEN '{}' AND '{}'".format, _TEXTS, _TEXTS),
    st.builds("key IN ('{}', '{}')".format, _TEXTS, _TEXTS),
    st.builds("starts_with(key, '{}')".format, _TEXTS),
    st.builds("regexp_matches(key, '^{}')".format, _TEXTS),
    st.builds("etag = '{}'".format, st.sampled_from([*_SOURCES, "new"])),
)
_ENDS = st.sampled_from(["", "ORDER BY key, source LIMIT 3", "ORDER BY key LIMIT 2 OFFSET 1"])


@examples(300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=st.lists(_CONDITIONS, min_size=1, max_size=3).map(" AND ".join),
    end=_ENDS,
    other=st.none() | _CONDITIONS,
)
def test_no_row_is_missed(
    both: tuple[Session, duckdb.DuckDBPyConnection], where: str, end: str, other: str | None
):
    session, connection = both
    condition = where if other is None else f"({where}) OR {other}"
    # Of equal keys, DuckDB may give any.
    names = "key" if "OFFSET" in end else "source, key, etag"
    statement = f"SELECT {names} FROM objects WHERE {condition} {end}"

    def ordered(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return sorted(rows)

    found = [tuple(row.values()) for row in session.run(statement).read_all().to_pylist()]
    assert ordered(found) == ordered(connection.execute(statement).fetchall())
