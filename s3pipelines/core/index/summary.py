"""What the index of a source holds, in a few numbers."""

from dataclasses import dataclass

import duckdb


@dataclass(frozen=True)
class Group:
    """The objects of one extension and storage class."""

    extension: str
    storage_class: str
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
