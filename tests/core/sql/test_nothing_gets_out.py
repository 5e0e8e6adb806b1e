"""Attempts to write, or to read elsewhere, through a session and through its bare connection.

What DuckDB cannot refuse by itself is written down here too: `THE_GATE_ALONE`. If one of those
starts to fail in a later DuckDB, so much the better; then it moves to the other list.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.session import Session, open_session
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.sql.conftest import SOURCES

# {tables}: the tables' folder; {outside}: a folder beside it; {other}: another bucket.
DUCKDB_REFUSES_TOO = """
COPY (SELECT 1) TO '{outside}/x.csv'
COPY (SELECT 1) TO '{other}/x.csv'
EXPORT DATABASE '{outside}/x'
EXPLAIN ANALYZE COPY (SELECT 1) TO '{outside}/x.csv'
ATTACH '{outside}/x.db'
SET threads = 1
SET enable_external_access = true
SET allowed_directories = ['/']
SET lock_configuration = false
SET temp_directory = '{outside}'
SET profiling_output = '{tables}/x.json'
RESET memory_limit
PRAGMA memory_limit = '1GB'
PRAGMA enable_profiling = 'json'
INSTALL spatial
LOAD spatial
LOAD '{outside}/x.duckdb_extension'
UPDATE EXTENSIONS
CREATE PERSISTENT SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')
SELECT * FROM read_text('{outside}/secret.txt')
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM read_blob('{other}/secret.txt')
SELECT * FROM '{outside}/secret.csv'
SELECT * FROM '{other}/secret.csv'
SELECT * FROM glob('/etc/*')
SELECT * FROM glob('{other}/*')
SELECT * FROM parquet_scan('{outside}/x.parquet')
SELECT * FROM parquet_metadata('{outside}/x.parquet')
SELECT * FROM sniff_csv('/etc/passwd')
SELECT * FROM read_text('https://example.com/')
SELECT getenv('S3PIPELINES_TEST_SECRET')
SELECT write_blob('{outside}/x.txt', 'a'::BLOB)
SELECT write_blob('{tables}/objects/x', 'a'::BLOB)
SELECT * FROM delta_scan('{tables}/objects')
SELECT * FROM delta_scan('{other}/objects')
""".strip().splitlines()

# These succeed on the locked connection: DuckDB writes as well as reads where it may read. With the
# delta extension, `write_blob` would write everywhere, whatever `enable_external_access` says.
THE_GATE_ALONE = """
COPY (SELECT 1) TO '{tables}/objects/_delta_log/00000000000000000099.json'
EXPLAIN ANALYZE COPY (SELECT 1) TO '{tables}/objects/x.csv'
EXPORT DATABASE '{tables}/x'
SET VARIABLE x = 1
ATTACH ':memory:' AS m
CREATE OR REPLACE VIEW objects AS SELECT 1
DROP VIEW objects
PRAGMA database_list
SELECT * FROM glob('{tables}/**')
SELECT * FROM read_text('{tables}/objects/_delta_log/00000000000000000000.json')
SELECT * FROM query('SELECT 1')
SELECT * FROM read_parquet('{tables}/objects/*/*.parquet')
SELECT * FROM duckdb_settings()
SELECT getvariable('merged_rows')
SELECT current_setting('temp_directory')
SELECT write_log('x')
""".strip().splitlines()
ONLY_IN_A_FOLDER = [
    "ATTACH '{tables}/x.db'",
]
# DuckDB compares the text of the address; the server or the HTTP client then resolves the dots.
ONLY_ON_S3 = [
    "SELECT * FROM read_text('{tables}/../../private.txt')",
    "SELECT * FROM duckdb_secrets()",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
]
# On the bare connection this one ends the process, so it goes through the session only.
FATAL = [
    "CALL enable_logging(storage_path = '{outside}/logs')",
    "CALL enable_logging('FileSystem', storage = 'file', storage_path = '{tables}/logs')",
]


@dataclass
class World:
    """A catalog, what lies around it, and everything that could be changed."""

    session: Session
    catalog: Catalog
    outside: Path
    other: str

    def written(self, statement: str) -> str:
        return statement.format(
            tables=self.catalog.location.child("tables").uri.rstrip("/"),
            outside=self.outside,
            other=f"s3://{self.other}",
        )

    def bare_connection_runs(self, statement: str) -> bool:
        with self.session._connection.cursor() as cursor:
            try:
                cursor.execute(self.written(statement)).fetchall()
            except duckdb.Error:
                return False
        return True

    def everything(self) -> dict[str, str]:
        """Digests of all files and objects, by their names."""
        folder = self.outside.parent
        state = {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }
        client = s3_client(Access())
        for bucket in client.list_buckets()["Buckets"]:
            for entry in client.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
                state[f"s3://{bucket['Name']}/{entry['Key']}"] = entry["ETag"]
        return state


@pytest.fixture
def world(
    filled_catalog: Catalog, tmp_path: Path, s3, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("S3PIPELINES_TEST_SECRET", "secret")
    monkeypatch.chdir(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("secret.txt", "secret.csv"):
        (outside / name).write_text("secret\n")
    other = f"other-{os.urandom(6).hex()}"
    s3.create_bucket(Bucket=other)
    s3.put_object(Bucket=other, Key="secret.txt", Body=b"secret")
    s3.put_object(Bucket=other, Key="secret.csv", Body=b"secret\n")
    if not isinstance(filled_catalog.location, FolderLocation):
        bucket = filled_catalog.location.bucket
        s3.put_object(Bucket=bucket, Key="private.txt", Body=b"secret")
    with open_session(filled_catalog, SOURCES) as session:
        yield World(session, filled_catalog, outside, other)


@pytest.mark.slow
def test_a_session_refuses_every_attempt_and_nothing_changes(world: World) -> None:
    before = world.everything()
    everything_tried = DUCKDB_REFUSES_TOO + THE_GATE_ALONE + ONLY_IN_A_FOLDER + ONLY_ON_S3 + FATAL
    for statement in map(world.written, everything_tried):
        with pytest.raises(InvalidInput):
            world.session.run(statement).read_all()
    assert world.everything() == before
    (count,) = world.session.run("SELECT count(*) AS n FROM objects").read_all().to_pylist()
    assert count == {"n": 5}


@pytest.mark.slow
def test_the_locked_connection_keeps_to_the_tables_even_without_the_gate(world: World) -> None:
    before = world.everything()
    assert [line for line in DUCKDB_REFUSES_TOO if world.bare_connection_runs(line)] == []
    assert world.everything() == before


def test_among_the_tables_only_the_gate_keeps_duckdb_from_writing(world: World) -> None:
    local = isinstance(world.catalog.location, FolderLocation)
    only_here = ONLY_IN_A_FOLDER if local else ONLY_ON_S3
    refused = [line for line in THE_GATE_ALONE + only_here if not world.bare_connection_runs(line)]
    assert refused == []


def test_a_session_does_not_see_variables_of_the_caller(world: World) -> None:
    frame = SOURCES  # noqa: F841 - DuckDB could find it by its name
    with pytest.raises(InvalidInput, match="There is no table 'frame'"):
        world.session.run("FROM frame")


def test_a_secret_of_the_catalog_is_in_no_message(world: World) -> None:
    keys = s3_client(Access())._request_signer._credentials
    for statement in ("FROM duckdb_secrets()", "EXPLAIN FROM objects", "FROM nothing"):
        try:
            told = str(world.session.run(statement).read_all().to_pylist())
        except InvalidInput as error:
            told = str(error)
        assert keys.secret_key not in told


def test_logging_into_a_folder_would_abort_a_process_that_has_no_gate(tmp_path: Path) -> None:
    program = (
        "import duckdb; c = duckdb.connect(); c.execute('SET enable_external_access = false'); "
        f"c.execute(\"CALL enable_logging(storage_path = '{tmp_path}/logs')\"); "
        "c.execute('SELECT 1')"
    )
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert ended.returncode != 0
