"""`docs/sql.md` holds: its transcripts are what the commands print, its programs run."""

import os
import re
import shlex
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable, write_deltalake

from s3pipelines.cli import cli
from s3pipelines.core.annotations.annotate import annotate
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.locations import parse_location
from s3pipelines.services.moto import MotoServer
from tests.core.sql.conftest import AddObjects

DOCUMENT = Path(__file__).parents[3] / "docs" / "sql.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
CATALOG = "s3://my-bucket/catalog"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PROGRAMS = [block for language, block in BLOCKS if language == "python"]
# One transcript: the line after `$ `, and what follows up to the next one.
TRANSCRIPTS = [
    transcript
    for language, block in BLOCKS
    if language == "console"
    for transcript in re.findall(r"^\$ (.*?)\n(.*?)(?=^\$ |\Z)", block, re.MULTILINE | re.DOTALL)
]
CATALOGUE = TEXT.partition("$ cat catalogue.csv\n")[2].partition("\n\n")[0]

# source, key, size in bytes, ETag, storage class
OBJECTS_OF_THE_TOUR = [
    ("maps", "maps/1890/index.csv", 18_432, "a1", "STANDARD"),
    ("maps", "maps/1890/sheet-01.tif", 734_003_200, "a2", "STANDARD"),
    ("maps", "maps/1890/sheet-02.tif", 681_574_400, "a3", "STANDARD"),
    ("maps", "maps/1890/sheet-03.tif", 702_545_920, "a4", "STANDARD"),
    ("maps", "maps/1925/sheet-01 (copy).tif", 412_090_368, "a5", "STANDARD"),
    ("maps", "maps/1925/sheet-01.tif", 412_090_368, "a5", "STANDARD"),
    ("maps", "maps/1925/sheet-02.jpg", 15_728_640, "a6", "STANDARD"),
    ("plates", "plates/2024-05-01/run-1.h5", 5_368_709_120, "b1", "GLACIER"),
    ("plates", "plates/2024-05-01/run-2.h5", 5_261_334_937, "b2", "STANDARD"),
    ("plates", "plates/2024-05-02/notes.txt", 2_048, "b3", "STANDARD"),
    ("plates", "plates/2024-05-02/run-3.h5", 4_831_838_208, "b4", "STANDARD"),
]


@pytest.fixture(scope="module")
def tour(moto: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The catalog of the document; named as there, so no other test may use it."""
    for bucket in ("my-bucket", "my-data"):
        s3_client(Access()).create_bucket(Bucket=bucket)
    catalog = Catalog(parse_location(CATALOG))
    create_source(catalog, "maps", "s3://my-data/maps", tags={"team": "library"})
    create_source(catalog, "plates", "s3://my-data/plates", tags={"team": "biology"})
    ensure_table(catalog, OBJECTS)
    now = datetime(2024, 5, 3, 6, tzinfo=UTC)
    rows = [
        {
            "source": source,
            "bucket": "my-data",
            "key": key,
            "size_bytes": size,
            "etag": etag,
            "last_modified": now,
            "storage_class": storage_class,
            "extension": key.rpartition(".")[2],
            "indexed_at": now,
        }
        for source, key, size, etag, storage_class in OBJECTS_OF_THE_TOUR
    ]
    write_deltalake(
        catalog.table_uri("objects"),
        pa.Table.from_pylist(rows, OBJECTS.arrow),
        mode="append",
        storage_options=catalog.delta_options(),
    )
    catalogue = tmp_path_factory.mktemp("tour") / "catalogue.csv"
    catalogue.write_text(CATALOGUE)
    annotate(catalog, "maps", catalogue, "file")
    return catalog


def printed(command: str) -> str:
    program, *arguments = shlex.split(command)
    assert program == "s3pipelines"
    ran = CliRunner().invoke(cli, arguments)
    lines = ran.output.splitlines() if ran.exception is None else [f"Error: {ran.exception}"]
    return "\n".join(line.rstrip() for line in lines).strip("\n")


@pytest.mark.xdist_group("sql-document")
@pytest.mark.parametrize(
    ("command", "shown"), TRANSCRIPTS, ids=[command for command, _ in TRANSCRIPTS]
)
def test_a_transcript_is_what_the_command_prints(
    tour: Catalog,
    command: str,
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("S3PIPELINES_CATALOG", CATALOG)
    assert printed(command) == shown.strip("\n")


@pytest.mark.xdist_group("sql-document")
@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_runs_to_its_end(
    tour: Catalog, moto: MotoServer, program: str, tmp_path: Path
) -> None:
    endpoint = moto.environment()["AWS_ENDPOINT_URL"]
    ended = subprocess.run(
        [sys.executable, "-c", program.replace("minio.example.org:9000", endpoint[7:])],
        cwd=tmp_path,
        # DuckDB keeps installed extensions in the home folder.
        env={**os.environ, "HOME": str(tmp_path), "AWS_ALLOW_HTTP": "true"},
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ended.returncode == 0, ended.stderr
    assert "11" in ended.stdout


def test_the_document_shows_programs_and_transcripts() -> None:
    assert len(PROGRAMS) >= 4
    assert len(TRANSCRIPTS) >= 6


@pytest.mark.parametrize("way", ["glob", "delta_scan"])
def test_a_glob_over_a_delta_folder_counts_what_was_deleted(
    local_catalog: Catalog, add_objects: AddObjects, way: str
) -> None:
    add_objects(local_catalog, "maps", "a.tif", "b.tif")
    add_objects(local_catalog, "scans", "c.tif")
    uri = local_catalog.table_uri("objects")
    DeltaTable(uri).delete("source = 'maps'")
    scan = f"read_parquet('{uri}/**/*.parquet')" if way == "glob" else f"delta_scan('{uri}')"
    with connect(local_catalog, delta=True) as connection:
        (row,) = connection.execute(f"SELECT count(*) FROM {scan}").fetchall()
    assert row[0] == (3 if way == "glob" else 1)


@pytest.mark.slow
def test_the_safe_way_into_pandas_never_aborts_at_exit(
    local_catalog: Catalog, add_objects: AddObjects
) -> None:
    add_objects(local_catalog, "maps", *(f"{uuid.uuid4()}.tif" for _ in range(1000)))
    program = f"""
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
table = DeltaTable({local_catalog.table_uri("objects")!r})
found = QueryBuilder().register("objects", table).execute("SELECT * FROM objects")
print(len(pa.table(found).to_pandas()))
"""
    for _ in range(8):
        ended = subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
        )
        assert ended.stdout == "1000\n"
