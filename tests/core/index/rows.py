"""What the tests of the index read back, and a listing without a server."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import files_of_source, open_table
from s3pipelines.core.catalog.views import index_now
from s3pipelines.core.storage.listing.pages import LISTED, LISTED_VERSIONS, ListingPage
from s3pipelines.core.storage.listing.parallel import Part
from s3pipelines.core.storage.listing.ranges import Span

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Listed:
    """One object as a listing shows it; the version id where versions are listed."""

    etag: str = "e1"
    size_bytes: int = 3
    last_modified: datetime = NOON
    storage_class: str = "STANDARD"
    version_id: str | None = None


def pages_of(
    objects: Mapping[str, Listed],
    *,
    server_time: datetime = NOON,
    page_size: int = 1000,
    versions: bool = False,
) -> Iterator[ListingPage]:
    """The pages that a server with these objects would answer, in the order of UTF-8 keys."""
    keys = sorted(objects, key=lambda key: key.encode())
    schema = LISTED_VERSIONS if versions else LISTED
    for start in range(0, max(len(keys), 1), page_size):
        some = keys[start : start + page_size]
        rows = [{"key": key, **asdict(objects[key])} for key in some]
        objects_of_page = pa.RecordBatch.from_pylist(rows, schema=schema)
        yield ListingPage(objects_of_page, server_time, start + page_size >= len(keys))


def parts_of(
    objects: Mapping[str, Listed], *, page_size: int = 1000, versions: bool = False
) -> Iterator[Part]:
    """The same as one range, as `list_parts` gives it."""
    for page in pages_of(objects, page_size=page_size, versions=versions):
        yield Part(0, page, Span("", None) if page.is_last else None)


def index_rows(catalog: Catalog, source_id: str) -> list[dict[str, Any]]:
    """The rows of a source in the table `objects`, by key.

    Without `delta_scan`, which takes as long as a test: DuckDB checks the signature of 80 MB.
    """
    files = files_of_source(open_table(catalog, OBJECTS), source_id)
    if not files:
        return []
    with connect(catalog) as connection:
        query = "FROM read_parquet(?, hive_partitioning = true, hive_types_autocast = false)"
        found = connection.execute(f"SELECT * {query} ORDER BY key", [files])
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def index_keys(catalog: Catalog, source_id: str) -> list[str]:
    """The keys of a source in the table `objects`."""
    return [row["key"] for row in index_rows(catalog, source_id)]


def index_now_keys(catalog: Catalog, source_id: str) -> list[str]:
    """The keys of the index of a source, its tail included, sorted."""
    with connect(catalog, delta=True) as connection:
        query = f"SELECT key FROM ({index_now(catalog)}) WHERE source = ? ORDER BY key"
        return [key for (key,) in connection.execute(query, [source_id]).fetchall()]
