"""The objects that a selection leaves of a source, or of a version of it, as rows of a file."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from s3pipelines.core.batch.selecting import Drawn, draw_rows, frugal
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.datasets.states import SourceState
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.sql.selection import Selection

_BATCH_ROWS = 10_000
_COLUMNS = ("key", "size_bytes", "etag", "version_id")


@dataclass(frozen=True, slots=True)
class Member:
    """One object.

    Attributes:
        name: Its key below the source's prefix.
        version_id: None where the bucket has no versions, or the index does not know it.
    """

    key: str
    name: str
    size_bytes: int
    etag: str
    version_id: str | None


@dataclass(frozen=True)
class Members:
    """Selected objects; good within the block of `select_members`.

    Attributes:
        path: A Parquet file with their rows, sorted by key.
        objects: How many.
        size_bytes: Their size together.
    """

    path: Path
    prefix: str
    objects: int
    size_bytes: int

    def batches(self, rows: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The rows, some at a time."""
        with pq.ParquetFile(self.path) as file:
            yield from file.iter_batches(batch_size=rows)

    def __iter__(self) -> Iterator[Member]:
        head = len(self.prefix)
        for batch in self.batches():
            columns = [batch.column(name).to_pylist() for name in _COLUMNS]
            for key, size_bytes, etag, version_id in zip(*columns, strict=True):
                yield Member(key, key[head:], size_bytes, etag, version_id)


@contextmanager
def select_members(catalog: Catalog, state: SourceState, selection: Selection) -> Iterator[Members]:
    """Draw the selected objects into a temporary file, within a bound of memory.

    Raises:
        InvalidInput: The selection is wrong.
        StorageError: The catalog cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="s3pipelines-members-") as folder:
        path = Path(folder, "members.parquet")
        with connect(frugal(catalog)) as connection:
            draw_rows(connection, catalog, Drawn(state, selection, None, None), path)
            objects, size_bytes = connection.execute(
                "SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT "
                f"FROM read_parquet({sql_text(str(path))})"
            ).fetchall()[0]
        yield Members(path, state.source.prefix, objects, size_bytes)
