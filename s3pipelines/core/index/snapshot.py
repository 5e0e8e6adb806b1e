"""One version of the index of a source, through the handles that it will be written with."""

from dataclasses import dataclass
from typing import Self

from deltalake import DeltaTable, Transaction

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import empty_relation
from s3pipelines.core.catalog.schemas import OBJECTS, OBJECTS_TAIL, TableSchema
from s3pipelines.core.catalog.tables import (
    NO_CLEANUP,
    ensure_table,
    files_of_source,
    find_table,
    open_table,
    source_predicate,
    table_errors,
)
from s3pipelines.core.catalog.views import latest_only, with_tail
from s3pipelines.core.sql.quoting import sql_text


@dataclass
class Snapshot:
    """The index of a source as it was when it was opened.

    A write through its handles is refused if somebody else wrote to the same source since: Delta
    sees it by the files of a merge, and by the transactions of an append.

    Attributes:
        merged: The table `objects`.
        tail: The table `objects_tail`, if the catalog has one.
    """

    catalog: Catalog
    source_id: str
    merged: DeltaTable
    tail: DeltaTable | None

    @classmethod
    def open(cls, catalog: Catalog, source_id: str) -> Self:
        """Open it; the table `objects` must be there.

        Raises:
            StorageError: The catalog cannot be read.
        """
        tail = find_table(catalog, OBJECTS_TAIL)  # First, see `with_tail`.
        return cls(catalog, source_id, open_table(catalog, OBJECTS), tail)

    def tail_for_writing(self) -> DeltaTable:
        """The handle of the tail, whose table is made if it is not there."""
        if self.tail is None:
            ensure_table(self.catalog, OBJECTS_TAIL)
            self.tail = open_table(self.catalog, OBJECTS_TAIL)
        return self.tail

    @property
    def applied(self) -> int:
        """Up to which version of the ledger its changes are in the index; -1 for none."""
        return max(self._number(self.merged, "ledger"), self._number(self.tail, "ledger"))

    @property
    def listings(self) -> int:
        """How many listings were written into it."""
        return max(0, self._number(self.merged, "listings"))

    @property
    def folded(self) -> int:
        """The position up to which the tail was merged; -1 for none."""
        return self._number(self.merged, "tail")

    def transaction(self, what: str, number: int) -> Transaction:
        """A number that is kept in the commit which it speaks of; who was overtaken fails."""
        return Transaction(f"{what}/{self.source_id}", number)

    @property
    def rows(self) -> str:
        """A query for the rows of the index."""
        if not self.tail_files:
            return self.merged_rows
        return with_tail(f"({self.merged_rows})", f"({self._tail_attempts})")

    @property
    def merged_rows(self) -> str:
        """A query for the rows of `objects`."""
        return _rows(OBJECTS, self.source_id, self.merged_files)

    @property
    def tail_rows(self) -> str:
        """A query for the rows of the tail that hold, those of deleted objects too."""
        return f"SELECT * FROM ({self._tail_attempts}) {latest_only(OBJECTS_TAIL)}"

    @property
    def merged_files(self) -> list[str]:
        """The files of the source in `objects`."""
        with table_errors(self.catalog, OBJECTS.name):
            return files_of_source(self.merged, self.source_id)

    @property
    def tail_files(self) -> list[str]:
        """The files of the source in the tail."""
        if self.tail is None:
            return []
        with table_errors(self.catalog, OBJECTS_TAIL.name):
            return files_of_source(self.tail, self.source_id)

    @property
    def _tail_attempts(self) -> str:
        return _rows(OBJECTS_TAIL, self.source_id, self.tail_files)

    def _number(self, table: DeltaTable | None, what: str) -> int:
        if table is None:
            return -1
        found = table.transaction_version(f"{what}/{self.source_id}")
        return -1 if found is None else found


def merged_bytes(snapshot: Snapshot) -> int:
    """Bytes of the files of the source in `objects`."""
    with table_errors(snapshot.catalog, OBJECTS.name):
        actions = snapshot.merged.get_add_actions(flatten=True)
        sources = actions.column("partition.source").to_pylist()
        sizes = actions.column("size_bytes").to_pylist()
    return sum(n for name, n in zip(sources, sizes, strict=True) if name == snapshot.source_id)


def clear_tail(snapshot: Snapshot) -> None:
    """Remove the tail of the source, which was merged.

    Raises:
        CommitFailedError: Somebody else wrote to it.
    """
    if snapshot.tail is not None:
        with table_errors(snapshot.catalog, OBJECTS_TAIL.name):
            snapshot.tail.delete(
                source_predicate(snapshot.source_id), post_commithook_properties=NO_CLEANUP
            )


def _rows(schema: TableSchema, source_id: str, files: list[str]) -> str:
    stored = ", ".join(name for name in schema.column_names if name != "source")
    if not files:
        return empty_relation(schema)
    listed = ", ".join(sql_text(uri) for uri in files)
    return (
        f"SELECT {sql_text(source_id)} AS source, {stored} "
        f"FROM read_parquet([{listed}], hive_partitioning = false)"
    )
