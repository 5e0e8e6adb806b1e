"""The files of one source in a table, with the key ranges that they say they hold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb
from deltalake import DeltaTable

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TableSchema
from s3pipelines.core.catalog.tables import open_table, table_errors
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.upkeep.layout import DataFile, Span

# The footer of a Parquet file tells more than Delta's log: the ranges of its groups of rows.
_SPANS = """
    SELECT file_name, list((stats_min_value, stats_max_value) ORDER BY row_group_id)
    FROM parquet_metadata({files}) WHERE path_in_schema = 'key' GROUP BY file_name
"""


@dataclass(frozen=True)
class Place:
    """The rows of one source in one table.

    Attributes:
        source_id: The source; empty for all rows of a table without sources.
    """

    catalog: Catalog
    schema: TableSchema
    source_id: str

    def open(self) -> DeltaTable:
        """A handle on the table, which must be there."""
        return open_table(self.catalog, self.schema)

    def files(self, table: DeltaTable | None = None) -> list[DataFile]:
        """The files of the present version, or of that of a handle, without their key ranges.

        Raises:
            StorageError: The catalog cannot be read.
        """
        with table_errors(self.catalog, self.schema.name):
            actions = (table or self.open()).get_add_actions(flatten=True)
        names = ("path", "size_bytes", "num_records")
        rows = list(zip(*(actions.column(name).to_pylist() for name in names), strict=True))
        if self.schema.by_source:
            sources = actions.column("partition.source").to_pylist()
            rows = [row for row, id_ in zip(rows, sources, strict=True) if id_ == self.source_id]
        return [DataFile(path, size_bytes, number or 0, ()) for path, size_bytes, number in rows]

    def uri(self, file: DataFile) -> str:
        """The address of a file, as DuckDB takes it."""
        return f"{self.catalog.table_uri(self.schema.name)}/{file.path}"

    def uris(self, files: Sequence[DataFile]) -> str:
        """The addresses of files as an SQL list."""
        return f"[{', '.join(sql_text(self.uri(file)) for file in files)}]"


def with_spans(
    connection: duckdb.DuckDBPyConnection, place: Place, files: Sequence[DataFile]
) -> list[DataFile]:
    """The same files with the key ranges of their groups of rows: a small request or two each."""
    if not files:
        return []
    found = connection.execute(_SPANS.format(files=place.uris(files))).fetchall()
    spans = {uri: _spans(ranges) for uri, ranges in found}
    return [replace(file, spans=spans.get(place.uri(file), ())) for file in files]


def _spans(ranges: Sequence[tuple[str | None, str | None]]) -> tuple[Span, ...]:
    if any(first is None or last is None for first, last in ranges):
        return ()
    return tuple(Span((first or "").encode(), (last or "").encode()) for first, last in ranges)
