"""Of which objects the tags are to be read, and what is known of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import TAGS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.datasets.members import Members
from s3pipelines.core.sql.quoting import sql_text

# Name of the row that says that all tags of an object were read, also if it has none.
ALL_READ = ""
_BATCH_ROWS = 10_000
_COLUMNS = ("key", "etag", "version_id", "names", "tag_values")


@dataclass(frozen=True, slots=True)
class Due:
    """An object, and the tags that the table has of it."""

    key: str
    etag: str
    version_id: str | None
    known: dict[str, str]


@dataclass(frozen=True)
class DueObjects:
    """All of them, by key; good within the block of `due_objects`."""

    path: Path
    objects: int

    def __iter__(self) -> Iterator[Due]:
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(_COLUMNS)):
                columns = [batch.column(name).to_pylist() for name in _COLUMNS]
                for key, etag, version_id, names, values in zip(*columns, strict=True):
                    known: dict[str, str] = dict(zip(names or [], values or [], strict=True))
                    yield Due(key, etag, version_id, known)


@contextmanager
def due_objects(
    catalog: Catalog, source_id: str, members: Members, older_than: timedelta | None
) -> Iterator[DueObjects]:
    """Find the members whose tags were not read in their present state, or long ago.

    Args:
        catalog: Where the table is.
        source_id: Whose.
        members: The objects that were chosen.
        older_than: Read longer ago than this, tags are read again; None: once is enough.

    Raises:
        StorageError: The catalog cannot be read.
    """
    due = "marks.read_at IS NULL"
    if older_than is not None:
        since = (datetime.now(UTC) - older_than).isoformat()
        due += f" OR marks.read_at <= TIMESTAMPTZ {sql_text(since)}"
    with TemporaryDirectory(prefix="s3pipelines-tags-") as folder:
        path = Path(folder, "due.parquet")
        with connect(catalog) as connection:
            create_source_views(connection, catalog, source_id, TAGS)
            connection.execute(
                f"""
                COPY (
                    WITH marks AS (
                        SELECT key, etag, max(tagged_at) AS read_at FROM tags_attempts
                        WHERE name = {sql_text(ALL_READ)} GROUP BY ALL
                    ), known AS (
                        SELECT key, etag, list(name ORDER BY name) AS names,
                            list(value ORDER BY name) AS tag_values
                        FROM tags GROUP BY ALL
                    )
                    SELECT members.key, members.etag, version_id, names, tag_values
                    FROM read_parquet({sql_text(str(members.path))}) AS members
                    LEFT JOIN marks USING (key, etag) LEFT JOIN known USING (key, etag)
                    WHERE {due} ORDER BY members.key
                ) TO {sql_text(str(path))} (FORMAT parquet)
                """
            )
        with pq.ParquetFile(path) as file:
            objects = file.metadata.num_rows
        yield DueObjects(path, objects)
