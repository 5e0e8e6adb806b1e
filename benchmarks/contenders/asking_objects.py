"""What people ask of the index of millions of objects, by the project and by what they know.

Each contender answers the same questions in one process, so often that its caches are warm, and
says how long each took and what came out.
"""

import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
from pyarrow.fs import S3FileSystem

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect, load_extension
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.sorted_files import write_sorted_files
from s3pipelines.core.catalog.tables import (
    NO_CLEANUP,
    ROW_GROUP_ROWS,
    ensure_table,
    files_of_source,
    open_table,
)
from s3pipelines.core.sources.entries import read_entry, write_entry
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.object_pages import ObjectsRequest, list_objects
from s3pipelines.core.sql.places import Place, token_of_place
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.sql.session import open_session
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.locations import parse_location
from s3pipelines.core.storage.options import duckdb_secret
from s3pipelines.core.storage.upload import upload_file

SOURCE = "museum"
PARQUET, SQLITE = "objects.parquet", "objects.sqlite"
_PATTERN = r"IMG_00[0-9]+7\.jpg$"
_PAGE = 50
Answer = Callable[[str], Any]

STATEMENTS = {
    "regex": f"SELECT count(*) FROM objects WHERE regexp_matches(key, '{_PATTERN}')",
    "top 100": "SELECT key, size_bytes FROM objects ORDER BY size_bytes DESC, key LIMIT 100",
    "prefixes": "SELECT split_part(key, '/', 1) AS a, split_part(key, '/', 2) AS b, count(*), "
    "sum(size_bytes) FROM objects GROUP BY ALL ORDER BY ALL",
    "key range": "SELECT key FROM objects WHERE key >= 'collections/maps/' "
    "AND key < 'collections/maps0' ORDER BY key LIMIT 50",
}
_BY_VIEW = (
    "SELECT split_part(prefix, '/', 1) AS a, split_part(prefix, '/', 2) AS b, objects, size_bytes "
    "FROM sources_by_prefix ORDER BY ALL"
)


def fill_objects(folder: str, objects: str) -> dict[str, Any]:
    """Make a catalog with one source, and the same rows as one Parquet file and in SQLite.

    Keys are skewed as those of collections are: few prefixes hold most of them.
    """
    home = Catalog(parse_location(f"{folder}/catalog"))
    source = Source(id=SOURCE, bucket="museum", prefix="")
    write_entry(home.documents, SOURCE, source, read_entry(home.documents, SOURCE).tag)
    ensure_table(home, OBJECTS)
    started = time.perf_counter()
    with connect(home) as connection:
        connection.execute(
            f"COPY ({made_rows(int(objects))}) TO '{folder}/{PARQUET}' (FORMAT parquet)"
        )
        one_file_s = time.perf_counter() - started
        names = [name for name in OBJECTS.column_names if name != "source"]
        rows = f"SELECT {', '.join(names)} FROM '{folder}/{PARQUET}'"
        started = time.perf_counter()
        _write(home, connection.execute(rows).to_arrow_reader(ROW_GROUP_ROWS))
    table_s = time.perf_counter() - started
    with sqlite3.connect(f"{folder}/{SQLITE}") as lite, duckdb.connect() as connection:
        lite.execute(
            "CREATE TABLE objects (key TEXT PRIMARY KEY, size_bytes INTEGER) WITHOUT ROWID"
        )
        cursor = connection.execute(f"SELECT key, size_bytes FROM '{folder}/{PARQUET}'")
        while some := cursor.fetchmany(50_000):
            lite.executemany("INSERT INTO objects VALUES (?, ?)", some)
        lite.execute("CREATE INDEX by_size ON objects (size_bytes, key)")
    return {"one_file_s": one_file_s, "table_s": table_s}


def _write(home: Catalog, rows: pa.RecordBatchReader) -> None:
    """As a listing is written."""
    table = open_table(home, OBJECTS)
    columns = pa.schema([OBJECTS.arrow.field(name) for name in rows.schema.names])
    folder = Path(home.table_uri(OBJECTS.name))
    added = write_sorted_files(rows, columns, SOURCE, folder, data_change=True)
    table.create_write_transaction(
        [*added],
        "append",
        table.schema(),
        partition_by=["source"],
        post_commithook_properties=NO_CLEANUP,
    )


def upload_objects(folder: str, bucket: str) -> dict[str, Any]:
    """Put what `fill_objects` made on S3, but for SQLite's file, which has to be local."""
    s3_client(Access()).create_bucket(Bucket=bucket)
    for path in Path(folder).rglob("*"):
        if path.is_file() and path.name != SQLITE:
            upload_file(Access(), path, bucket, path.relative_to(folder).as_posix())
    return {}


def ask_objects(folder: str, contender: str, rounds: str, only: str = "") -> dict[str, Any]:
    """All statements, or one, to one contender; seconds by statement, the first of them cold.

    The first one of all includes what the contender does to begin with, but no imports.
    """
    answers: dict[str, Any] = {}
    seconds: dict[str, list[float]] = {}
    began = time.perf_counter()
    with _CONTENDERS[contender](folder) as answer:
        for question in [only] if only else STATEMENTS:
            for _ in range(int(rounds) + 1):
                answers[question] = answer(question)
                ended = time.perf_counter()
                seconds.setdefault(question, []).append(ended - began)
                began = ended
    digests = {question: _digest(found) for question, found in answers.items()}
    return {"seconds": seconds, "answers": digests}


def page_objects(folder: str, sort: str, offset: str, rounds: str) -> dict[str, Any]:
    """The page of 50 behind so many objects of a filtered listing, by three ways."""
    where, by = "extension = 'jpg'", "key" if sort == "key" else f"{sort}, key"
    skip = int(offset)
    plain = f"FROM '{folder}/{PARQUET}' WHERE {where} ORDER BY {by} LIMIT {_PAGE} OFFSET {skip}"
    home = Catalog(parse_location(f"{folder}/catalog"))
    request = ObjectsRequest(Selection(where=where), sort=sort, limit=_PAGE)
    with duckdb.connect() as connection, sqlite3.connect(f"{folder}/{SQLITE}") as lite:
        if skip:
            request = ObjectsRequest(
                request.selection, sort, limit=_PAGE, after=_token(connection, plain, sort)
            )
        lite_page = (
            f"SELECT key FROM objects WHERE key LIKE '%.jpg' ORDER BY {by} "
            f"LIMIT {_PAGE} OFFSET {skip}"
        )
        ways: dict[str, Callable[[], list[str]]] = {
            "s3pipelines": lambda: [row["key"] for row in list_objects(home, SOURCE, request).rows],
            "DuckDB OFFSET": lambda: _first(connection.execute(f"SELECT * {plain}"), 2),
            "sqlite OFFSET": lambda: _first(lite.execute(lite_page), 0),
        }
        return {name: _page(way, int(rounds)) for name, way in ways.items()}


def _page(way: Callable[[], list[str]], rounds: int) -> dict[str, Any]:
    seconds: list[float] = []
    keys: list[str] = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        keys = way()
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds[1:], "answer": [keys[0], keys[-1], len(keys)]}


def _token(connection: duckdb.DuckDBPyConnection, plain: str, sort: str) -> str:
    before = plain.rpartition(" LIMIT ")[0]
    skip = int(plain.rpartition(" ")[2]) - 1
    value, key = connection.execute(
        f"SELECT {sort}, key {before} LIMIT 1 OFFSET {skip}"
    ).fetchall()[0]
    return token_of_place(Place(sort, "asc", value, key))


def _first(cursor: Any, column: int) -> list[str]:
    return [row[column] for row in cursor.fetchall()]


def made_rows(objects: int) -> str:
    """A query for the rows, sorted by key."""
    return f"""
        SELECT '{SOURCE}' AS source, 'museum' AS bucket,
            'collections/' || CASE WHEN number % 100 < 60 THEN 'photographs'
                WHEN number % 100 < 85 THEN 'plates' WHEN number % 100 < 95 THEN 'maps'
                ELSE 'box-' || (number % 997) END
            || '/' || lpad((number // 5000)::VARCHAR, 5, '0') || '/IMG_'
            || lpad(number::VARCHAR, 8, '0') || if(number % 9 = 0, '.tif', '.jpg') AS key,
            300000 + (hash(number) % 4000000000 // (1 + number % 50))::BIGINT AS size_bytes,
            md5(number::VARCHAR) AS etag, NULL::VARCHAR AS version_id,
            TIMESTAMPTZ '2026-01-01 00:00:00Z' + to_seconds(number) AS last_modified,
            'STANDARD' AS storage_class, if(number % 9 = 0, 'tif', 'jpg') AS extension,
            TIMESTAMPTZ '2026-06-01 00:00:00Z' AS indexed_at
        FROM (SELECT range AS number FROM range({objects})) ORDER BY key
    """


@contextmanager
def _ours(folder: str) -> Iterator[Answer]:
    with open_session(Catalog(parse_location(f"{folder}/catalog"))) as session:
        yield lambda question: _rows(session.run(STATEMENTS[question]).read_all())


@contextmanager
def _our_view(folder: str) -> Iterator[Answer]:
    """With the view that is there for the question by prefixes."""
    statements = {**STATEMENTS, "prefixes": _BY_VIEW}
    with open_session(Catalog(parse_location(f"{folder}/catalog"))) as session:
        yield lambda question: _rows(session.run(statements[question]).read_all())


@contextmanager
def _files_listed(folder: str) -> Iterator[Answer]:
    """The very files of the project's table, without Delta."""
    files = files_of_source(
        open_table(Catalog(parse_location(f"{folder}/catalog")), OBJECTS), SOURCE
    )
    with _plain_duckdb(folder) as connection:
        connection.execute(f"CREATE VIEW objects AS FROM read_parquet({files!r})")
        yield lambda question: _rows(connection.execute(STATEMENTS[question]).to_arrow_table())


@contextmanager
def _one_file(folder: str) -> Iterator[Answer]:
    with _plain_duckdb(folder) as connection:
        connection.execute(f"CREATE VIEW objects AS FROM '{folder}/{PARQUET}'")
        yield lambda question: _rows(connection.execute(STATEMENTS[question]).to_arrow_table())


@contextmanager
def _plain_duckdb(folder: str) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        if "://" in folder:
            load_extension(connection, "httpfs")
            bucket = folder.removeprefix("s3://")
            connection.execute(duckdb_secret(Access(), bucket, f"{folder}/"))
        yield connection


@contextmanager
def _sqlite(folder: str) -> Iterator[Answer]:
    pattern = re.compile(_PATTERN)
    with sqlite3.connect(f"{folder}/{SQLITE}") as lite:
        lite.create_function("matches", 1, lambda key: pattern.search(key) is not None)
        lite.create_function("part", 2, lambda key, at: key.split("/")[at])
        statements = {
            **STATEMENTS,
            "regex": "SELECT count(*) FROM objects WHERE matches(key)",
            "prefixes": "SELECT part(key, 0), part(key, 1), count(*), sum(size_bytes) "
            "FROM objects GROUP BY 1, 2 ORDER BY 1, 2",
        }
        yield lambda question: [list(row) for row in lite.execute(statements[question])]


@contextmanager
def _pandas(folder: str) -> Iterator[Answer]:
    path, files = f"{folder}/{PARQUET}", None
    if "://" in folder:
        endpoint = os.environ["AWS_ENDPOINT_URL"]
        files = S3FileSystem(endpoint_override=endpoint, region="us-east-1")
        path = path.removeprefix("s3://")
    frame = pd.read_parquet(path, columns=["key", "size_bytes"], filesystem=files)

    def prefixes() -> Any:
        parts = frame["key"].str.split("/", n=2, expand=True)
        sizes = frame["size_bytes"].groupby([parts[0], parts[1]])
        return sizes.agg(["count", "sum"]).reset_index()

    def key_range() -> Any:
        first = int(frame["key"].searchsorted("collections/maps/"))
        end = int(frame["key"].searchsorted("collections/maps0"))
        return frame[["key"]][first : min(end, first + 50)]

    ways: dict[str, Callable[[], Any]] = {
        "regex": lambda: pd.DataFrame([[frame["key"].str.contains(_PATTERN).sum()]]),
        "top 100": lambda: frame.sort_values(["size_bytes", "key"], ascending=[False, True])[:100],
        "prefixes": prefixes,
        "key range": key_range,
    }
    yield lambda question: ways[question]().to_numpy().tolist()


_CONTENDERS = {
    "s3pipelines": _ours,
    "s3pipelines, its view": _our_view,
    "its files, listed": _files_listed,
    "DuckDB, one file": _one_file,
    "sqlite": _sqlite,
    "pandas": _pandas,
}


def _rows(table: Any) -> list[list[Any]]:
    return [list(row.values()) for row in table.to_pylist()]


def _digest(rows: Sequence[Sequence[Any]]) -> str:
    """Equal for equal answers, whatever numbers are called."""
    return "\n".join(",".join(map(str, row)) for row in rows)[:400]
