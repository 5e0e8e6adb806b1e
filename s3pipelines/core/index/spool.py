"""A listing written to a file as it arrives, so that memory does not grow with the bucket."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from s3pipelines.core.sources.scope import SCOPED, Scope
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.listing import list_pages

# A row group per page would make the comparison slow; 64 pages are about 10 MB.
_PAGES_PER_ROW_GROUP = 64


@dataclass(frozen=True)
class Spool:
    """A complete listing on disk.

    Attributes:
        path: Parquet file of schema `SCOPED`, sorted by key.
        rows: Objects of the source, settled or not.
        waiting: Objects that have not settled yet.
        requests: Listing requests that were made.
    """

    path: Path
    rows: int
    waiting: int
    requests: int


def spool_listing(source: Source, access: Access, path: Path) -> Spool:
    """List the whole source into `path`.

    Raises:
        StorageError: The listing broke off; a part of a listing is never used.
    """
    scope = Scope(source)
    rows = waiting = requests = 0
    held: list[pa.RecordBatch] = []
    with pq.ParquetWriter(path, SCOPED, compression="zstd", compression_level=1) as writer:
        for page in list_pages(access, source.location):
            objects = scope.of(page)
            rows += objects.num_rows
            waiting += objects.num_rows - objects.column("settled").true_count
            requests += 1
            held.append(objects)
            if len(held) == _PAGES_PER_ROW_GROUP:
                writer.write_table(pa.Table.from_batches(held))
                held.clear()
        writer.write_table(pa.Table.from_batches(held, schema=SCOPED))
    return Spool(path, rows, waiting, requests)
