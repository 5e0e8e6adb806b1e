"""What a table is: its columns, what identifies a row, and how it is kept."""

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
    """One Delta table of the catalog.

    Attributes:
        latest_by: What tells which row of an identity holds, in a table that is only appended to;
            None where there is one row anyway.
        by_source: The table is partitioned by its column `source`.
        change_feed: The commit that brought a row can be asked for (Delta's change data feed).
        user_columns: The table has columns beside these, which users bring.
        shown_if: Of the rows that hold, the view shows those for which this SQL condition is true:
            the others say that there is nothing any more.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    identity: tuple[str, ...]
    version: int
    latest_by: str | None = None
    by_source: bool = True
    change_feed: bool = False
    user_columns: bool = False
    shown_if: str | None = None

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, in the order of the columns."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]
