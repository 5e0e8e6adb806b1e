"""The index of one source as a list of files: one state of it, whatever is written meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import empty_relation
from s3pipelines.core.catalog.key_ranges import (
    KeyFile,
    KeyRange,
    files_by_source,
    overlapping,
    successor,
)
from s3pipelines.core.catalog.schemas import OBJECTS, OBJECTS_TAIL, TableSchema
from s3pipelines.core.catalog.views import latest_only, with_tail
from s3pipelines.core.sql.quoting import sql_text

_ALL_KEYS = KeyRange()


@dataclass(frozen=True)
class IndexFiles:
    """One state of the index of a source; every query over it sees the same rows.

    Attributes:
        source_id: The source.
        merged: Its files in the table `objects`.
        tail: Its files in the table `objects_tail`.
    """

    source_id: str
    merged: tuple[KeyFile, ...]
    tail: tuple[KeyFile, ...]

    @classmethod
    def now(cls, catalog: Catalog, source_id: str) -> Self:
        """The state as it is now.

        Raises:
            StorageError: The catalog cannot be read.
        """
        tail = files_by_source(catalog, OBJECTS_TAIL)  # First, see `with_tail`.
        merged = files_by_source(catalog, OBJECTS)
        return cls(source_id, tuple(merged.get(source_id, ())), tuple(tail.get(source_id, ())))

    @property
    def files(self) -> tuple[KeyFile, ...]:
        """The files of both tables."""
        return self.merged + self.tail

    def rows(self, keys: KeyRange = _ALL_KEYS) -> str:
        """A query for the rows, from those files alone that may hold keys of the range.

        The rows are not restricted to the range; a condition on the key does that.
        """
        base = self._scan(OBJECTS, overlapping(self.merged, keys))
        tail = overlapping(self.tail, keys)
        return with_tail(f"({base})", f"({self._scan(OBJECTS_TAIL, tail)})") if tail else base

    def count(self, connection: duckdb.DuckDBPyConnection) -> int:
        """How many rows there are: what Delta's log says, corrected by what the tail says.

        Args:
            connection: Made by `core.catalog.duck.connect`.
        """
        rows = sum(file.rows for file in self.merged)
        if not self.tail:
            return rows
        everything = self._scan(OBJECTS_TAIL, [file.uri for file in self.tail])
        # The key of a file's statistics may be cut, so that the tail itself is asked.
        tail = f"SELECT * FROM ({everything}) {latest_only(OBJECTS_TAIL)}"
        first, last = connection.execute(f"SELECT min(key), max(key) FROM ({tail})").fetchall()[0]
        near = overlapping(self.merged, KeyRange(first, successor(last)))
        more = f"""
            SELECT count(*) FILTER (NOT gone AND merged.key IS NULL)
                - count(*) FILTER (gone AND merged.key IS NOT NULL)
            FROM ({tail}) AS tail
            LEFT JOIN ({self._scan(OBJECTS, near)}) AS merged ON merged.key = tail.key
        """
        return rows + connection.execute(more).fetchall()[0][0]

    def _scan(self, schema: TableSchema, uris: Sequence[str]) -> str:
        if not uris:
            return empty_relation(schema)
        stored = ", ".join(name for name in schema.column_names if name != "source")
        listed = ", ".join(sql_text(uri) for uri in uris)
        return (
            f"SELECT {sql_text(self.source_id)} AS source, {stored} "
            f"FROM read_parquet([{listed}], hive_partitioning = false, union_by_name = true)"
        )
