"""The rows of a plan, from a selection: slice by slice of the keys, within a bound of memory."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from s3pipelines.core.batch.existing import Existing
from s3pipelines.core.batch.mapping import KeyMapping
from s3pipelines.core.batch.rows import MANIFEST
from s3pipelines.core.batch.templates import SHARED_NAMES, shared_names_query
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.key_ranges import KeyRange, windows
from s3pipelines.core.catalog.schemas import TAGS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.datasets.states import SourceState
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.sql.selection import Selection

# A key of S3 has at most so many bytes in UTF-8.
_LONGEST_KEY_BYTES = 1024
# Beside the libraries themselves (200 MB), so that a plan of any size takes less than 500 MB.
_MEMORY_MB = 96
# To sort ten million rows at once takes 600 MB, whatever DuckDB is told.
_SLICE_ROWS = 200_000
_BATCH_ROWS = 10_000
DRAWN = pa.schema([field for field in MANIFEST if field.name not in ("number", "previous")])


def frugal(catalog: Catalog) -> Catalog:
    """The same catalog, for queries that spill early."""
    return replace(catalog, memory_limit_mb=min(catalog.memory_limit_mb, _MEMORY_MB))


@dataclass(frozen=True)
class Drawn:
    """What rows are drawn from.

    Attributes:
        state: The source, as it is now or as a version has it.
        selection: Which of its objects.
        mapping: Where they go; None if they stay.
        existing: What is at the target already.
    """

    state: SourceState
    selection: Selection
    mapping: KeyMapping | None
    existing: Existing | None


def draw_rows(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, drawn: Drawn, path: Path
) -> None:
    """Write the selected objects with their targets and verdicts, sorted by key, as Parquet.

    Args:
        connection: Made by `core.catalog.duck.connect`.
        catalog: Where the index is.
        drawn: What the rows are drawn from.
        path: A local file, of schema `DRAWN`.

    Raises:
        InvalidInput: The selection or the mapping is wrong.
        StorageError: The catalog cannot be read.
    """
    source, index = drawn.state.source, drawn.state.index
    selection, mapping = drawn.selection, drawn.mapping
    tables = [*selection.asked_tables]
    if mapping is not None and mapping.asks_tags and TAGS not in tables:
        tables.append(TAGS)
    create_source_views(connection, catalog, source.id, *tables)
    connection.execute(f"CREATE OR REPLACE VIEW objects AS {index.rows()}")
    if mapping is not None and mapping.asks_shared_names:
        shared = shared_names_query(source.prefix)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {SHARED_NAMES} AS {shared}")
    query = _query(drawn, selection.condition(connection, source.prefix))
    left = selection.limit
    with pq.ParquetWriter(path, DRAWN, compression="lz4") as writer:
        for keys in windows(index.files, selection.key_range(source.prefix), _SLICE_ROWS):
            for batch in _rows(connection, query, keys, left):
                writer.write_batch(batch)
                left = None if left is None else left - batch.num_rows
            if left is not None and left <= 0:
                return


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, keys: KeyRange, limit: int | None
) -> Iterator[pa.RecordBatch]:
    # As parameters: a statement cannot hold a NUL, and the end of a slice may have one.
    given = {"first_key": keys.start} | ({} if keys.end is None else {"end_key": keys.end})
    within = " AND ".join(["key >= $first_key", *(["key < $end_key"] if keys.end else [])])
    most = "" if limit is None else f"LIMIT {limit}"
    statement = f"{query.replace('{within}', within)} {most}"
    with closing(connection.execute(statement, given).to_arrow_reader(_BATCH_ROWS)) as reader:
        for batch in reader:
            yield batch.cast(DRAWN)


def _query(drawn: Drawn, condition: str) -> str:
    mapping = drawn.mapping
    target = "NULL::VARCHAR" if mapping is None else mapping.expression(drawn.state.source.prefix)
    selected = f"""
        SELECT key, size_bytes, etag, version_id, last_modified, storage_class, {target} AS target
        FROM objects WHERE {{within}} AND ({condition})
    """
    if drawn.existing is None:
        verdict = "NULL::VARCHAR" if mapping is None else _BAD_TARGET
        columns = f"drawn.*, NULL::VARCHAR AS target_etag, {verdict} AS verdict"
        return f"SELECT {columns} FROM ({selected}) AS drawn ORDER BY drawn.key"
    existing = f"read_parquet({sql_text(str(drawn.existing.path))})"
    return f"""
        SELECT drawn.*, existing.etag AS target_etag,
            coalesce({_BAD_TARGET}, {drawn.existing.verdict}) AS verdict
        FROM ({selected}) AS drawn LEFT JOIN {existing} AS existing
            ON existing.key = drawn.target
        ORDER BY drawn.key
    """


_BAD_TARGET = f"""CASE
    WHEN drawn.target IS NULL THEN 'unmapped'
    WHEN drawn.target = '' OR strlen(drawn.target) > {_LONGEST_KEY_BYTES} THEN 'bad_key'
END"""
