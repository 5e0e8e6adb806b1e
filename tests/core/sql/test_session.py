"""Sessions: what they show, how they stream, fail and end."""

import gc
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import IMAGES, OBJECTS, Column
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.errors import InvalidInput, StorageError
from s3pipelines.core.sql.session import Session, open_session
from s3pipelines.core.storage.locations import FolderLocation, S3Location
from tests.core.sql.conftest import SOURCES, AddObjects, Rows

ENDLESS = "SELECT i FROM range(1000000000000) t(i) WHERE i < 1000000 OR md5(i::TEXT) = 'never'"


def count(session: Session, table: str = "objects") -> int:
    (row,) = session.run(f"SELECT count(*) AS n FROM {table}").read_all().to_pylist()
    return row["n"]


def test_each_table_is_a_view_with_the_documented_columns(filled_session: Session) -> None:
    assert filled_session.columns()["objects"] == OBJECTS.column_names
    (row,) = filled_session.run("FROM objects WHERE key = 'maps/b.tif'").read_all().to_pylist()
    assert row["source"] == "maps"
    assert row["size_bytes"] == 1
    assert row["version_id"] is None
    assert row["last_modified"] == datetime(2024, 5, 1, 12, 30, tzinfo=UTC)


def test_a_new_catalog_has_empty_tables_and_stays_untouched(
    session: Session, local_catalog: Catalog
) -> None:
    assert count(session) == 0
    described = session.run("DESCRIBE objects").read_all()
    assert described.column("column_name").to_pylist() == OBJECTS.column_names
    assert "TIMESTAMP WITH TIME ZONE" in described.column("column_type").to_pylist()
    assert isinstance(local_catalog.location, FolderLocation)
    assert not local_catalog.location.path.exists()


def test_of_several_attempts_the_latest_holds(local_catalog: Catalog) -> None:
    ensure_table(local_catalog, IMAGES)
    for hour, error in enumerate(("timeout", "timeout", None)):
        row = dict.fromkeys(IMAGES.column_names) | {
            "source": "maps",
            "key": "maps/a.tif",
            "etag": "1",
            "error": error,
            "read_at": datetime(2026, 1, 1, hour, tzinfo=UTC),
            "reader_version": "libvips",
        }
        append_rows(local_catalog, IMAGES, [row, row | {"etag": f"other {hour}"}])

    with open_session(local_catalog) as session:
        found = session.run("SELECT etag, error FROM images ORDER BY etag").read_all().to_pylist()
        failed = "SELECT etag FROM images WHERE error IS NOT NULL ORDER BY ALL"
        assert found == [
            {"etag": "1", "error": None},
            {"etag": "other 0", "error": "timeout"},
            {"etag": "other 1", "error": "timeout"},
            {"etag": "other 2", "error": None},
        ]
        assert session.run(failed).read_all().column("etag").to_pylist() == ["other 0", "other 1"]


def test_a_column_that_an_older_table_lacks_is_null(
    filled_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = replace(
        OBJECTS,
        columns=(*OBJECTS.columns, Column("checksum", pa.binary(), "Checksum.", nullable=True)),
        version=OBJECTS.version + 1,
    )
    monkeypatch.setattr("s3pipelines.core.sql.table_views.TABLES", (newer,))
    with open_session(filled_catalog) as session:
        found = session.run("SELECT key, checksum FROM objects").read_all()
    assert found.num_rows == 5
    assert found.column("checksum").to_pylist() == [None] * 5
    assert found.schema.field("checksum").type == pa.binary()


def test_the_registry_is_the_table_sources(rows: Rows) -> None:
    assert rows("SELECT id, tags->>'team' AS team FROM sources") == [
        {"id": "maps", "team": "atlas"}
    ]


def test_without_a_registry_there_is_no_table_sources(local_catalog: Catalog) -> None:
    with open_session(local_catalog) as session, pytest.raises(InvalidInput):
        session.run("FROM sources")


def test_the_next_statement_sees_what_was_committed_meanwhile(
    filled_catalog: Catalog, add_objects: AddObjects
) -> None:
    with open_session(filled_catalog) as session:
        assert count(session) == 5
        add_objects(filled_catalog, "late", "late/a.tif")
        assert count(session) == 6


def test_times_are_in_utc_wherever_the_machine_is(
    local_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        with open_session(local_catalog) as session:
            found = session.run("SELECT TIMESTAMPTZ '2024-05-01 00:00:00' AS t").read_all()
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found.schema.field("t").type == pa.timestamp("us", tz="UTC")
    assert found.to_pylist() == [{"t": datetime(2024, 5, 1, tzinfo=UTC)}]


@pytest.mark.parametrize("name", ["behind a link", "it's a b#c?d", "größe"])
def test_a_catalog_may_have_any_path(tmp_path: Path, add_objects: AddObjects, name: str) -> None:
    folder = tmp_path / name
    if "link" in name:
        (tmp_path / "real").mkdir()
        folder.symlink_to(tmp_path / "real", target_is_directory=True)
    catalog = Catalog(FolderLocation(folder / "catalog"))
    add_objects(catalog, "maps", "a.tif")
    with open_session(catalog) as session:
        assert count(session) == 1


def test_an_answer_larger_than_memory_streams_through(local_catalog: Catalog) -> None:
    process = psutil.Process()
    rows, peak = 0, 0
    with open_session(replace(local_catalog, memory_limit_mb=100)) as session:
        before = process.memory_info().rss
        for batch in session.run("SELECT i, repeat('x', 100) AS s FROM range(10000000) t(i)"):
            rows += batch.num_rows
            peak = max(peak, process.memory_info().rss - before)
    assert rows == 10_000_000  # More than a gigabyte in all.
    assert peak < 150_000_000


def test_a_sort_larger_than_memory_spills_to_disk_although_the_connection_is_locked(
    local_catalog: Catalog,
) -> None:
    sort = "SELECT i, md5(i::TEXT) AS digest FROM range(4000000) t(i) ORDER BY digest"
    with open_session(replace(local_catalog, memory_limit_mb=100)) as session:
        reader = session.run(sort)
        first = reader.read_next_batch()
        with session._connection.cursor() as cursor:
            found = cursor.execute("SELECT path FROM duckdb_temporary_files()").fetchall()
        rows = first.num_rows + sum(batch.num_rows for batch in reader)
    assert rows == 4_000_000
    assert found
    assert not Path(found[0][0]).exists()


def test_too_little_memory_is_said_in_one_line(local_catalog: Catalog) -> None:
    with open_session(replace(local_catalog, memory_limit_mb=64)) as session:
        with pytest.raises(InvalidInput, match="needs more than 64 MB of memory") as error:
            session.run("SELECT list(i) FROM range(100000000) t(i)").read_all()
        assert "S3PIPELINES_MEMORY_LIMIT_MB" in error.value.hint


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT sze FROM objects", "There is no column 'sze'."),
        ("SELECT sze FROM objects", "Did you mean size_bytes?"),
        ("SELECT key + 1 FROM objects", "No function matches"),
        ("SELECT 'a'::INT", "Could not convert string 'a' to INT32."),
        ("SELECT regexp_matches('a', '(')", "missing )"),
        ("SELECT $a", "Values were not provided"),
        ("FROM objects AT (VERSION => 1)", "does not support time travel"),
    ],
)
def test_what_duckdb_says_comes_in_one_line(session: Session, statement: str, told: str) -> None:
    with pytest.raises(InvalidInput) as error:
        session.run(statement).read_all()
    assert told in error.value.message
    assert "DESCRIBE objects" in error.value.hint
    assert "\n" not in str(error.value)
    assert "LINE 1" not in str(error.value)


def test_an_error_after_the_first_rows_is_ours_too(session: Session) -> None:
    statement = (
        "SELECT CASE WHEN i = 1000000 THEN error('too far') ELSE i::TEXT END AS n "
        "FROM range(2000000) t(i)"
    )
    reader = session.run(statement)
    assert reader.read_next_batch().num_rows
    # DuckDB's threads race: one that the error stopped may be the first to say so.
    with pytest.raises(InvalidInput, match=r"too far|interrupted"):
        reader.read_all()


def test_a_catalog_that_cannot_be_reached_is_no_empty_one(s3) -> None:
    with (
        pytest.raises(StorageError),
        open_session(Catalog(S3Location("no-such-bucket-anywhere", "state/"))) as session,
    ):
        count(session)


def test_a_table_that_is_broken_is_no_empty_one(
    local_catalog: Catalog, add_objects: AddObjects
) -> None:
    add_objects(local_catalog, "maps", "a.tif")
    assert isinstance(local_catalog.location, FolderLocation)
    for commit in local_catalog.location.path.glob("tables/objects/_delta_log/*.json"):
        commit.write_text("nonsense")
    with open_session(local_catalog) as session:
        assert count(session, "images") == 0
        with pytest.raises(StorageError):
            count(session)


def test_a_data_file_that_is_gone_is_a_storage_error(
    local_catalog: Catalog, add_objects: AddObjects
) -> None:
    add_objects(local_catalog, "maps", "a.tif")
    assert isinstance(local_catalog.location, FolderLocation)
    with open_session(local_catalog) as session:
        for path in local_catalog.location.path.rglob("*.parquet"):
            path.unlink()
        with pytest.raises(StorageError, match="cannot be read"):
            session.run("SELECT max(key) FROM objects").read_all()


def test_statements_run_side_by_side(filled_session: Session) -> None:
    slow = filled_session.run("SELECT i FROM range(1000000) t(i)")
    slow.read_next_batch()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: count(filled_session), range(32))) == [5] * 32
    assert sum(batch.num_rows for batch in slow) > 900_000


def test_an_interrupt_stops_what_runs_and_the_session_goes_on(session: Session) -> None:
    threading.Timer(0.5, session.interrupt).start()
    started = time.monotonic()
    with pytest.raises(InvalidInput, match="was interrupted"):
        session.run(ENDLESS).read_all()
    assert time.monotonic() - started < 60
    assert count(session) == 0


def test_ctrl_c_between_two_batches_stops_duckdb(tmp_path: Path) -> None:
    program = f"""
import os, signal, threading
from pathlib import Path
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sql.session import open_session
from s3pipelines.core.storage.locations import FolderLocation
with open_session(Catalog(FolderLocation(Path({str(tmp_path)!r})))) as session:
    reader = session.run({ENDLESS!r})
    print(reader.read_next_batch().num_rows > 0)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        reader.read_all()
    except KeyboardInterrupt:
        print("interrupted")
    print(session.run("SELECT 42 AS n").read_all().to_pylist())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.splitlines() == ["True", "interrupted", "[{'n': 42}]"]


def test_letting_go_of_a_reader_ends_its_statement(session: Session) -> None:
    reader = session.run(ENDLESS)
    reader.read_next_batch()
    assert len(session._streams) == 1
    del reader
    gc.collect()
    assert len(session._streams) == 0


def test_rows_that_were_not_read_in_time_are_an_error_and_no_short_answer(
    local_catalog: Catalog,
) -> None:
    with open_session(local_catalog) as session:
        reader = session.run("SELECT i FROM range(1000000) t(i)")
        read_to_the_end = session.run("SELECT 1")
        read_to_the_end.read_all()
        reader.read_next_batch()
    assert read_to_the_end.read_all().num_rows == 0
    with pytest.raises(InvalidInput, match="closed before all rows were read"):
        reader.read_all()


def test_a_session_leaves_no_file_behind(
    local_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spill))
    with open_session(local_catalog, SOURCES) as session:
        session.run(ENDLESS).read_next_batch()
    assert list(spill.iterdir()) == []
