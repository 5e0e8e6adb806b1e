"""One slice of a source's listing, compared with the same key range of the index."""

import time
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.tables import source_predicate
from s3pipelines.core.catalog.views import index_now
from s3pipelines.core.detection.differences import DIFFERENCES
from s3pipelines.core.sources.refreshes import last_refresh
from s3pipelines.core.sources.scope import SCOPED, Scope
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.listing.serial import list_pages

# About 10 MB of rows: a slice is compared in memory, however long the tick may last.
_MOST_PAGES = 200
# More than this is told as a number only: asking S3 about each of them would cost more than a
# listing of the source does.
MOST_HINTS = 5000


@dataclass(frozen=True)
class Slice:
    """What one slice showed.

    Attributes:
        differing: Objects whose listed state is not that of the index.
        hints: What the listing showed of these, rows of `DIFFERENCES`; none if they are too many.
        after: The last key that was compared, or None when the listing ended.
        never_indexed: The source was never listed in full, so the rest need not be looked at.
    """

    differing: int
    hints: tuple[dict[str, Any], ...]
    after: str | None
    never_indexed: bool = False


def compare_slice(
    catalog: Catalog,
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    after: str,
    deadline: float,
) -> Slice:
    """List from `after` on until `deadline`, and compare what was listed with the index.

    At least one page is listed, so that every tick gets on.

    Args:
        catalog: Where the index is.
        connection: Made by `core.catalog.duck.connect`.
        source: The source.
        after: The last key of the slice before; empty at the start of a pass.
        deadline: On the clock of `time.monotonic`.

    Raises:
        StorageError: The listing failed; nothing may be concluded from it.
    """
    pages, end, ended = _list(catalog, source, after, deadline)
    listed = pa.Table.from_batches(pages, schema=SCOPED)
    indexed = _indexed_between(catalog, source, after, None if ended else end)
    connection.register("listed", listed)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW indexed AS {indexed}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE differences AS {DIFFERENCES}")
    differing = _count(connection, "SELECT count(*) FROM differences")
    few = differing <= MOST_HINTS
    hints = connection.execute("FROM differences").to_arrow_table().to_pylist() if few else []
    connection.unregister("listed")
    return Slice(
        differing=differing,
        hints=tuple(hints),
        after=None if ended else end,
        never_indexed=differing > 0 and last_refresh(catalog, source) is None,
    )


def _list(
    catalog: Catalog, source: Source, after: str, deadline: float
) -> tuple[list[pa.RecordBatch], str, bool]:
    """Pages of the source, the last key that was seen at all, and whether the listing ended."""
    scope = Scope(source)
    pages: list[pa.RecordBatch] = []
    end = after
    for page in list_pages(source.access(catalog.access), source.location, start_after=after):
        pages.append(scope.of(page))
        if page.objects.num_rows:
            end = page.objects.column("key")[-1].as_py()
        if page.is_last or time.monotonic() > deadline or len(pages) == _MOST_PAGES:
            return pages, end, page.is_last
    return pages, end, True


def _indexed_between(catalog: Catalog, source: Source, after: str, until: str | None) -> str:
    """The index between two keys; written as ranges, so that DuckDB skips files and row groups."""
    conditions = [source_predicate(source.id), f"key > {sql_text(after)}"]
    if until is not None:
        conditions.append(f"key <= {sql_text(until)}")
    return f"SELECT * FROM ({index_now(catalog)}) WHERE {' AND '.join(conditions)}"


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return connection.execute(query).fetchall()[0][0]
