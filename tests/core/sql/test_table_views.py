"""The views of a statement: of the present rows, whatever they are called and wherever they lie."""

from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.key_ranges import KeyFile
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.prefix_sums import PREFIX, whole_prefix
from s3pipelines.core.sql.questions import EVERYTHING
from s3pipelines.core.sql.session import Session, open_session
from s3pipelines.core.sql.table_views import create_views
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.catalog.states import States
from tests.core.sql.conftest import AddObjects

_BY_KEY = (
    f"SELECT source, {PREFIX} AS prefix, count(*) AS objects, "
    "sum(size_bytes)::BIGINT AS size_bytes FROM objects GROUP BY ALL ORDER BY ALL"
)


def read(session: Session, statement: str) -> list[dict[str, Any]]:
    return session.run(statement).read_all().to_pylist()


@pytest.mark.parametrize(
    "name",
    [
        "objects",
        "main.objects",
        "memory.main.objects",
        'MEMORY . "main" . "objects"',
        "memory.objects",
    ],
)
def test_a_table_may_be_named_in_full(filled_session: Session, name: str):
    assert read(filled_session, f"SELECT count(*) AS n FROM {name} AS o") == [{"n": 5}]
    assert read(filled_session, f"EXPLAIN SELECT 'memory.main.x' FROM {name}")


def test_a_view_may_be_named_in_full(filled_session: Session):
    found = read(filled_session, "SELECT sum(objects)::INT AS n FROM memory.main.sources_summary")
    assert found == [{"n": 5}]


def test_a_text_that_looks_like_a_name_stays_as_it_is(filled_session: Session):
    found = read(filled_session, "SELECT 'memory.main.objects' AS t FROM memory.objects LIMIT 1")
    assert found == [{"t": "memory.main.objects"}]


def test_a_table_without_rows_that_shows_what_there_is_cannot_be_read(filled_session: Session):
    # Reached by no statement: whoever gets there by a fault must not take it for an empty table.
    with filled_session._connection.cursor() as cursor, pytest.raises(Exception, match="resolved"):
        cursor.execute("FROM memory.main.objects").fetchall()


def test_a_table_is_there_as_soon_as_it_was_made(local_catalog: Catalog, add_objects: AddObjects):
    with open_session(local_catalog) as session:
        assert read(session, "SELECT count(*) AS n FROM objects") == [{"n": 0}]
        add_objects(local_catalog, "maps", "a")
        assert read(session, "SELECT count(*) AS n FROM objects") == [{"n": 1}]
        States(local_catalog).tail("maps", b="1")
        assert read(session, "SELECT count(*) AS n FROM objects") == [{"n": 2}]
        States(local_catalog).clear_tail("maps")
        assert read(session, "SELECT count(*) AS n FROM objects") == [{"n": 1}]


@pytest.mark.parametrize("folder", ["plain", "source=x/key=3"])
def test_rows_have_their_source_whatever_the_path_of_the_catalog(
    tmp_path: Path, add_objects: AddObjects, folder: str
):
    catalog = Catalog(FolderLocation(tmp_path / folder))
    for source in ("maps", "007", "a.b-c_d", "null"):
        add_objects(catalog, source, "one", "two")
    by_source = "SELECT source, min(key) AS k, count(*) AS n FROM objects GROUP BY 1 ORDER BY 1"
    with open_session(catalog) as session:
        assert read(session, by_source) == [
            {"source": source, "k": "one", "n": 2} for source in ("007", "a.b-c_d", "maps", "null")
        ]
        assert read(session, "SELECT source FROM objects WHERE source = '007' AND key = 'two'") == [
            {"source": "007"}
        ]


def test_the_text_of_a_view_does_not_grow_with_sources_and_files(
    local_catalog: Catalog, add_objects: AddObjects
):
    def length() -> int:
        with open_session(local_catalog) as session:
            cursor = session._connection.cursor()
            create_views(cursor, session._states, {"objects": EVERYTHING})
            views = "SELECT max(length(sql)) FROM duckdb_views() WHERE temporary"
            return cursor.execute(views).fetchall()[0][0]

    for number in range(2):
        add_objects(local_catalog, f"source-{number}", "a", "b")
    few = length()
    for number in range(2, 20):
        add_objects(local_catalog, f"source-{number}", "a", "b")
    assert length() == few


@pytest.mark.parametrize(
    ("first", "last", "prefix"),
    [
        ("a/b/c", "a/b/d/e", "a/b/"),
        ("a/b/", "a/b/z", "a/b/"),
        ("a/b", "a/c", ""),
        ("a/b/c", "a/c/a", ""),
        ("a", "b", ""),
        ("", None, ""),
        ("a/b/c", None, ""),
    ],
)
def test_a_file_between_two_keys_of_one_folder_lies_in_it(
    first: str, last: str | None, prefix: str
):
    assert whole_prefix(KeyFile("uri", 1, first, last)) == prefix


def test_prefixes_are_summed_as_if_each_key_was_looked_at(
    local_catalog: Catalog, add_objects: AddObjects
):
    add_objects(local_catalog, "maps", "a/b/1", "a/b/2", "a/b/c/3")  # One file, one prefix.
    add_objects(local_catalog, "maps", "a/b/4", "a/c/5", "d/6", "7", "/8", "//9", "é/ü/ö")
    add_objects(local_catalog, "scans", "a/b/1", "a/b/2")
    with open_session(local_catalog) as session:
        view = "FROM sources_by_prefix ORDER BY ALL"
        assert read(session, view) == read(session, _BY_KEY)
        assert {row["prefix"] for row in read(session, view)} == {
            "a/b/", "a/c/", "d/", "", "/", "//", "é/ü/",
        }  # fmt: skip
        changed = {"a/b/1": "new", "x/y/z": "new"}
        States(local_catalog).tail("maps", gone=False, **changed)
        assert read(session, view) == read(session, _BY_KEY)
        joined = "SELECT count(*) AS n FROM sources_by_prefix, objects"
        assert read(session, joined)[0]["n"] > 0


def test_a_table_of_a_newer_release_is_refused_in_a_statement(
    local_catalog: Catalog, add_objects: AddObjects
):
    add_objects(local_catalog, "maps", "a")
    with open_session(local_catalog) as session:
        assert read(session, "SELECT count(*) AS n FROM objects") == [{"n": 1}]
        DeltaTable(local_catalog.table_uri("objects")).alter.set_table_properties(
            {"s3pipelines.schemaVersion": "99"}, raise_if_not_exists=False
        )
        with pytest.raises(InvalidInput, match="schema version 99"):
            session.run("FROM objects")
