"""`objects_at` in a statement: the right state anywhere in it, and nothing else by it."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput, NotFound
from s3pipelines.core.sql.session import Session, open_session
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.catalog.states import States
from tests.core.sql.conftest import SOURCES
from tests.examples import examples


def fill(catalog: Catalog) -> Catalog:
    """Of `maps`: `a` at version 1, `a` and `b` at version 2, `b` and `c` at the end."""
    states = States(catalog)
    states.replace(a="1")
    states.replace(a="1", b="1")
    states.replace("scans", z="1")
    states.tail(a="", gone=True)
    states.tail(c="1")
    return catalog


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session over it, in a folder whose name has a space."""
    folder = tmp_path_factory.mktemp("a catalog")
    with open_session(fill(Catalog(FolderLocation(folder))), SOURCES) as session:
        yield session


def read(session: Session, statement: str) -> list[dict[str, Any]]:
    return session.run(statement).read_all().to_pylist()


def keys(session: Session, relation: str) -> str:
    (row,) = read(session, f"SELECT string_agg(key, '' ORDER BY key) AS keys FROM {relation}")
    return row["keys"]


def test_a_state_is_read_where_the_catalog_is(s3_catalog: Catalog):
    with open_session(fill(s3_catalog), SOURCES) as session:
        assert keys(session, "objects_at('maps', 2)") == "ab"
        assert keys(session, f"objects_at('maps', '{datetime.now(UTC)}')") == "bc"


def test_a_version_and_a_time_are_states_of_the_index(past: Session):
    now = datetime.now(UTC)

    for moment, expected in {
        "1": "a",
        "2": "ab",
        "3": "bc",
        f"'{now.isoformat()}'": "bc",
        f"TIMESTAMP '{now:%Y-%m-%d %H:%M:%S.%f}'": "bc",
        f"TIMESTAMPTZ '{now.isoformat()}'": "bc",
        f"'{now:%Y-%m-%d %H:%M:%S.%f}'::TIMESTAMP": "bc",
        "DATE '2999-01-01'": "bc",
        "'2'": "ab",
    }.items():
        assert keys(past, f"objects_at('maps', {moment})") == expected
    assert keys(past, "objects_at('scans', 3)") == "z"


def test_it_may_stand_wherever_a_table_may(past: Session):
    both = "objects_at('maps', 1) AS old JOIN objects_at('maps', 2) AS new USING (key)"
    assert read(past, f"SELECT 'é', key, old.etag FROM {both}")[0]["key"] == "a"
    new = "WITH now AS (FROM objects_at('maps', 2)) SELECT key FROM now "
    gone = "WHERE key NOT IN (SELECT objects_at.key FROM OBJECTS_AT ( 'maps' ,\n1 ))"
    assert read(past, new + gone) == [{"key": "b"}]
    assert read(past, "SELECT k FROM objects_at('maps', 1) t(s, b, k)") == [{"k": "a"}]
    assert read(past, "SELECT (SELECT count(*) FROM objects_at('maps', 1)) AS n") == [{"n": 1}]
    assert len(read(past, "DESCRIBE FROM objects_at('maps', 1)")) == 10
    assert len(read(past, "SUMMARIZE FROM objects_at('maps', 1)")) == 10
    assert "objects_at" not in str(read(past, "SHOW TABLES"))
    plan = read(past, "EXPLAIN ANALYZE SELECT 'é', * FROM objects_at('maps', 1)")
    assert "PARQUET" in str(plan).upper()
    pivoted = "PIVOT objects_at('maps', 1) ON etag IN ('1') USING count(*) GROUP BY source"
    assert read(past, pivoted) == [{"source": "maps", "1": 1}]
    again = "FROM objects_at('maps', 1) UNION ALL FROM objects_at('maps', 1)"
    assert len(read(past, again)) == 2


@pytest.mark.parametrize("text", ["objects_at('maps', 1)", "FROM objects_at(''x'', 1)"])
def test_a_text_or_comment_is_no_call(past: Session, text: str):
    quoted = text.replace("'", "''")
    statement = f"SELECT '{quoted}' AS t, key FROM objects_at('maps', 1) -- {text}"

    assert read(past, statement) == [{"t": quoted.replace("''", "'"), "key": "a"}]


@pytest.mark.parametrize(
    "call",
    [
        "objects_at('maps')",
        "objects_at('maps', 1, 2)",
        "objects_at('maps', 1 + 1)",
        "objects_at('maps', -1)",
        "objects_at('maps', now())",
        "objects_at(lower('maps'), 1)",
        "objects_at('maps', (SELECT 1))",
        "objects_at('maps', getenv('HOME'))",
        "objects_at('maps', NULL)",
        "main.objects_at('maps', 1)",
        "objects_at(source := 'maps', version := 1)",
        "\"objects_at\"('maps', 1)",
        "objects_at('maps', /* */ 1)",
        "objects o, objects_at(o.source, 1)",
    ],
)
def test_what_is_not_written_out_is_refused(past: Session, call: str):
    with pytest.raises(InvalidInput, match="both written out"):
        past.run(f"SELECT count(*) FROM {call}")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT objects_at('maps', 1)",
        "COPY (FROM objects_at('maps', 1)) TO '{folder}/x.csv'",
        "EXPLAIN ANALYZE COPY (FROM objects_at('maps', 1)) TO '{folder}/x.csv'",
        "CREATE TABLE t AS FROM objects_at('maps', 1)",
        "SELECT write_blob('{folder}/x', 'a'::BLOB) FROM objects_at('maps', 1)",
        "FROM objects_at('maps', 1), read_text('/etc/passwd')",
        "FROM objects_at('maps', 1); SELECT 1",
        "FROM objects_at_1",
        "WITH objects_at_1 AS (SELECT 7) FROM objects_at('maps', 1), no_such_table",
    ],
)
def test_nothing_else_gets_through_by_it(past: Session, tmp_path: Path, statement: str):
    folder = tmp_path / "out"
    folder.mkdir()

    with pytest.raises(InvalidInput):
        past.run(statement.format(folder=folder)).read_all()

    assert list(folder.iterdir()) == []


def test_a_name_that_a_statement_has_already_is_not_taken(past: Session):
    mine = "WITH objects_at_1 AS (SELECT 'mine' AS key)"
    both = "SELECT objects_at_1.key AS a, objects_at.key AS b FROM objects_at_1"

    assert read(past, f"{mine} {both}, objects_at('maps', 1)") == [{"a": "mine", "b": "a"}]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("objects_at('maps', 99)", "There is no version 99 of the index; the newest is 3."),
        ("objects_at('nobody', 2)", "There is no source 'nobody'."),
        ("objects_at('maps', DATE '1999-01-01')", "There was no index at 1999-01-01"),
    ],
)
def test_a_state_that_never_was_is_named(past: Session, call: str, words: str):
    with pytest.raises(NotFound, match=words):
        past.run(f"FROM {call}")


def test_a_refusal_does_not_name_what_was_made_for_the_statement(past: Session):
    with pytest.raises(InvalidInput, match="There is no table 'nothing'") as refused:
        past.run("FROM objects_at('maps', 1), nothing")

    assert "objects_at" not in str(refused.value)


def test_what_is_no_time_is_refused(past: Session):
    with pytest.raises(InvalidInput, match="'yesterday' is neither a version nor a time"):
        past.run("FROM objects_at('maps', 'yesterday')")


def test_statements_at_the_same_time_have_states_of_their_own(past: Session):
    old, new = (past.run(f"SELECT key FROM objects_at('maps', {version})") for version in (1, 2))

    assert len(new.read_all()) == 2
    assert len(old.read_all()) == 1


WORDS = """
    objects_at ( ) , 'maps' 1 FROM SELECT * ' -- /* */ AS t 'objects_at( objects_at('maps', é " ;
    WITH UNION DATE '2999-01-01' COPY TO read_text write_blob
"""


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*WORDS.split(), "objects_at('maps', 1)", "\n"]), max_size=9))
def test_whatever_is_written_is_answered_or_refused(past: Session, words: list[str]):
    with suppress(InvalidInput, NotFound):
        past.run(f"FROM {' '.join(words)}").read_all()
