"""The manifest of a plan: Parquet files, one per shard, written once and read row by row."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from s3pipelines.core.batch.plans import Plan, Shard, plan_folder
from s3pipelines.core.batch.rows import MANIFEST
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.storage.documents import folder_errors
from s3pipelines.core.storage.download import fetch_file
from s3pipelines.core.storage.locations import FolderLocation
from s3pipelines.core.storage.upload import place_file

# A step of Dagster costs half a second or more, so a shard is worth some seconds; and a run has no
# more than so many steps as its page still shows well.
_LEAST_ROWS = 10_000
_MOST_SHARDS = 200
_BATCH_ROWS = 1000


def rows_per_shard(rows: int) -> int:
    """How many rows each shard of a plan gets."""
    return max(_LEAST_ROWS, ceil(rows / _MOST_SHARDS))


def write_manifest(
    catalog: Catalog, plan_id: str, batches: Iterator[pa.RecordBatch], per_shard: int
) -> list[Shard]:
    """Write the files of a plan.

    Args:
        catalog: Where they go.
        plan_id: The plan, of which there is no document yet.
        batches: Its rows in their order, without `number`, which is added.
        per_shard: Rows of each shard but the last.

    Raises:
        StorageError: The catalog cannot be written.
    """
    shards: list[Shard] = []
    with tempfile.TemporaryDirectory(prefix="s3pipelines-plan-") as folder:
        path, first = Path(folder, "shard.parquet"), 0
        for rows in _of_size(batches, per_shard):
            numbers = pa.array(range(first, first + rows.num_rows), pa.int64())
            table = rows.add_column(0, "number", numbers).select(MANIFEST.names).cast(MANIFEST)
            pq.write_table(table, path, compression="zstd", row_group_size=_BATCH_ROWS * 10)
            size_bytes = pc.call_function("sum", [table.column("size_bytes")]).as_py() or 0
            shard = Shard(
                number=len(shards), first=first, rows=table.num_rows, size_bytes=size_bytes
            )
            place_file(catalog.access, path, plan_folder(catalog, plan_id), shard.file)
            shards.append(shard)
            first += table.num_rows
    return shards


def _of_size(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        while batch.num_rows:
            part = batch.slice(0, rows - count)
            held.append(part)
            count += part.num_rows
            batch = batch.slice(part.num_rows)
            if count == rows:
                yield pa.Table.from_batches(held)
                held, count = [], 0
    if held:
        yield pa.Table.from_batches(held)


@contextmanager
def local_manifest(catalog: Catalog, plan: Plan, shard: Shard) -> Iterator[Path]:
    """The file of a shard on this machine, for as long as the body runs.

    Raises:
        StorageError: The catalog cannot be read.
    """
    folder = plan_folder(catalog, plan.id)
    if isinstance(folder, FolderLocation):
        with folder_errors(folder.path):
            yield folder.path / shard.file
        return
    with tempfile.TemporaryDirectory(prefix="s3pipelines-shard-") as temporary:
        path = Path(temporary, "shard.parquet")
        fetch_file(catalog.access, folder.bucket, f"{folder.prefix}{shard.file}", path)
        yield path


def batches_of(path: Path, rows: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """The rows of a shard, some at a time, of schema `MANIFEST`."""
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=rows)
