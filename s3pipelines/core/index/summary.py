"""What the index of a source holds, in a few numbers."""

from dataclasses import dataclass
from datetime import date

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.index_files import IndexFiles


@dataclass(frozen=True)
class Group:
    """The objects of one extension and storage class."""

    extension: str
    storage_class: str
    objects: int
    size_bytes: int


@dataclass(frozen=True)
class Day:
    """The objects that were written on one day, in UTC, and are still as they were."""

    day: date
    objects: int
    size_bytes: int


def summarize(connection: duckdb.DuckDBPyConnection, index: str) -> tuple[Group, ...]:
    """Objects and bytes by extension and storage class, the largest first.

    Args:
        connection: Made by `core.catalog.duck.connect`.
        index: A query for the rows of the index.
    """
    rows = connection.execute(
        f"""
        SELECT extension, storage_class, count(*), sum(size_bytes)::BIGINT AS total
        FROM ({index})
        GROUP BY ALL ORDER BY total DESC, extension, storage_class
        """
    ).fetchall()
    return tuple(Group(*row) for row in rows)


def growth_by_day(catalog: Catalog, source_id: str, days: int) -> tuple[Day, ...]:
    """Objects and bytes by the day on which they were written, the latest first.

    Args:
        catalog: Where the index is.
        source_id: The source.
        days: Most days; those on which nothing was written do not count.

    Raises:
        StorageError: The index cannot be read.
    """
    index = IndexFiles.now(catalog, source_id)
    with connect(catalog) as connection:
        rows = connection.execute(
            f"""
            SELECT last_modified::DATE AS day, count(*), sum(size_bytes)::BIGINT
            FROM ({index.rows()}) GROUP BY day ORDER BY day DESC LIMIT {int(days)}
            """
        ).fetchall()
    return tuple(Day(*row) for row in rows)
