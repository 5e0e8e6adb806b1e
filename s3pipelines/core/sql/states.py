"""The states of the catalog's tables that the statements of a session read.

A handle of each table that was asked is kept, so that a statement only fetches what was committed
since the one before it: on S3 one listing of the log's end. DuckDB's delta extension (1.5.5) opens
a table anew for each statement, with 25 requests where there is a checkpoint.
"""

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.key_ranges import KeyFile, actions_of, files_of_actions, window
from s3pipelines.core.catalog.log_copy import LogCopy
from s3pipelines.core.catalog.schemas import TableSchema
from s3pipelines.core.catalog.tables import find_table, require_known_version, stored_schema
from s3pipelines.core.sql.questions import Part
from s3pipelines.core.storage.locations import FolderLocation


@dataclass(frozen=True)
class TableState:
    """One version of a table; of one that does not exist yet, nothing.

    Attributes:
        schema: Its schema.
        columns: The columns that it has, in the order of a view of it.
        files: Its files by source; all by an empty one in a table without sources.
        uniform: Each file has all columns.
    """

    schema: TableSchema
    columns: pa.Schema
    files: dict[str, list[KeyFile]] = field(default_factory=dict)
    uniform: bool = True

    @property
    def has_ranges(self) -> bool:
        """A range of keys may be left out: which of several rows holds, their key decides, too."""
        return "key" in self.schema.identity

    def of_part(self, part: Part) -> Iterator[tuple[str, list[str]]]:
        """The sources that may have rows of the part, each with the files that may hold them."""
        for source_id, files in self.files.items():
            if part.sources is None or source_id in part.sources or not self.schema.by_source:
                uris = [f.uri for f in files if not self.has_ranges or f.overlaps(part.keys)]
                if uris:
                    yield source_id, uris

    def first_of(self, part: Part) -> Part:
        """As much of a part as has the first rows that are wanted; each row counts."""
        if part.first is None:
            return part
        of_sources = Part(part.sources)
        found = {uri for _, uris in self.of_part(of_sources) for uri in uris}
        files = [file for some in self.files.values() for file in some if file.uri in found]
        return replace(part, keys=window(files, part.keys, part.first))


class TableStates:
    """Tells the present state of each table; several threads may ask.

    Args:
        catalog: Where the tables are.
        folder: Gets copies of logs on S3.
    """

    def __init__(self, catalog: Catalog, folder: Path) -> None:
        self._catalog = catalog
        self._folder = folder
        self._entries: dict[str, _Entry] = {}
        self._adding = threading.Lock()

    def now(self, schema: TableSchema) -> TableState:
        """The state of a table as it is now.

        Raises:
            InvalidInput: The table was written by a newer release.
            StorageError: The catalog cannot be read.
        """
        with self._adding:
            entry = self._entries.setdefault(schema.name, _Entry(self._log(schema)))
        with entry.turn:
            table = entry.log.now()
            if table is None:
                if entry.state is None or entry.table is not None:
                    entry.state, entry.table = TableState(schema, schema.arrow), None
            elif table is not entry.table or table.version() != entry.version:
                entry.state = self._state(schema, table)
                entry.table, entry.version = table, table.version()
            assert entry.state is not None
            return entry.state

    def last(self, schema: TableSchema) -> TableState | None:
        """What `now` told last; the same object as long as nothing changed."""
        entry = self._entries.get(schema.name)
        return None if entry is None else entry.state

    def _log(self, schema: TableSchema) -> "LogCopy | _LogInPlace":
        if isinstance(self._catalog.location, FolderLocation):
            return _LogInPlace(self._catalog, schema)
        return LogCopy(self._catalog, schema, self._folder / schema.name)

    def _state(self, schema: TableSchema, table: DeltaTable) -> TableState:
        actions = actions_of(self._catalog, schema, table)
        stored = pa.schema(table.schema().to_arrow())
        if schema.user_columns:
            stored = stored_schema(table, schema)
        return TableState(
            schema,
            stored,
            files_of_actions(self._catalog, schema, actions),
            _are_uniform(actions, stored.names),
        )


@dataclass
class _LogInPlace:
    """The log of a table in a folder; see `LogCopy`."""

    catalog: Catalog
    schema: TableSchema
    _table: DeltaTable | None = None

    def now(self) -> DeltaTable | None:
        # The commits since then may have been removed from the log; opening says whether it is
        # worse.
        with suppress(DeltaError, OSError):
            if self._table is not None:
                self._table.update_incremental()
                require_known_version(self._table, self.schema)
                return self._table
        self._table = find_table(self.catalog, self.schema)
        return self._table


@dataclass
class _Entry:
    log: LogCopy | _LogInPlace
    turn: threading.Lock = field(default_factory=threading.Lock)
    table: DeltaTable | None = None
    version: int = -1
    state: TableState | None = None


def _are_uniform(actions: pa.Table, columns: list[str]) -> bool:
    """Each file says of each column how many of its values are NULL, and so has it."""
    counts = {f"null_count.{name}" for name in columns if name != "source"}
    return counts.issubset(actions.column_names) and not any(
        actions.column(name).null_count for name in counts
    )
