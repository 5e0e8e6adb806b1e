"""The tables: their columns, what identifies a row, and how they may grow.

Rules that every change here follows:

- A column is only ever *added*, it is nullable, and `version` grows by one; writers of the old
  version fail to append, and are restarted.
- `identity` names the columns of which there is at most one row (one *latest* row in tables that
  are only appended to).
"""

from dataclasses import dataclass

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Column:
    """One column: its name, its Arrow type, and what it holds."""

    name: str
    type: pa.DataType
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class TableSchema:
    """One Delta table of the catalog, partitioned by `source`."""

    name: str
    description: str
    columns: tuple[Column, ...]
    identity: tuple[str, ...]
    version: int

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, in the order of the columns."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]


OBJECTS = TableSchema(
    name="objects",
    description="The object index: one row per object of a source, as S3 has it now.",
    identity=("source", "key"),
    version=1,
    columns=(
        Column("source", pa.string(), "Id of the source; the table is partitioned by it."),
        Column("bucket", pa.string(), "Bucket of the object."),
        Column("key", pa.string(), "Full key of the object, exactly as S3 has it."),
        Column("size_bytes", pa.int64(), "Size in bytes."),
        Column("etag", pa.string(), "ETag without its quotes."),
        Column(
            "version_id", pa.string(), "Version id, where the source is listed with versions.", True
        ),
        Column("last_modified", TIMESTAMP, "When S3 says that it was written (whole seconds)."),
        Column("storage_class", pa.string(), "Storage class, `STANDARD` where S3 says none."),
        Column(
            "extension", pa.string(), "Lower-case end of the name after its last dot, or empty."
        ),
        Column("indexed_at", TIMESTAMP, "When the index took this state of the object in."),
    ),
)

TABLES: tuple[TableSchema, ...] = (OBJECTS,)
