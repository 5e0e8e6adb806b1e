"""What the index of a source holds, in a few numbers."""

from dataclasses import dataclass

import duckdb
from deltalake import DeltaTable

from s3pipelines.core.index.changes import indexed_rows_query


@dataclass(frozen=True)
class Group:
    """The objects of one extension and storage class."""

    extension: str
    storage_class: str
    objects: int
    size_bytes: int


def summarize(
    connection: duckdb.DuckDBPyConnection, table: DeltaTable, source_id: str
) -> tuple[Group, ...]:
    """Objects and bytes by extension and storage class, the largest first."""
    rows = connection.execute(
        f"""
        SELECT extension, storage_class, count(*), sum(size_bytes)::BIGINT AS total
        FROM ({indexed_rows_query(table, source_id)})
        GROUP BY ALL ORDER BY total DESC, extension, storage_class
        """
    ).fetchall()
    return tuple(Group(*row) for row in rows)
