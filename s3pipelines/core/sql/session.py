"""A session: a locked DuckDB with the tables as views, which answers statements that only read."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakSet

import duckdb
import pyarrow as pa

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import TABLES
from s3pipelines.core.datasets.versions import FILES_FOLDER
from s3pipelines.core.sql.failures import statement_error
from s3pipelines.core.sql.gate import check_read_only
from s3pipelines.core.sql.own_names import with_own_names
from s3pipelines.core.sql.questions import asked_parts
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.sql.required_texts import with_required_texts
from s3pipelines.core.sql.states import TableStates
from s3pipelines.core.sql.streams import Stream
from s3pipelines.core.sql.table_views import create_placeholders, create_views
from s3pipelines.core.sql.time_travel import with_past_states
from s3pipelines.core.storage.locations import FolderLocation, S3Location

_COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'main' ORDER BY table_name, ordinal_position
"""


class Session:
    """Answers statements over the catalog's tables; made by `open_session`.

    Several statements may run at the same time, also from several threads. Each sees the tables
    as they are when it starts.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, catalog: Catalog, states: TableStates
    ) -> None:
        self._connection = connection
        self._catalog = catalog
        self._states = states
        self._streams: WeakSet[Stream] = WeakSet()

    def run(self, statement: str) -> pa.RecordBatchReader:
        """Run one statement that reads, and stream what it finds.

        The answer is computed as it is read, so it may be larger than memory. Times are in UTC.
        Ctrl-C, while the main thread waits here or for a batch, stops DuckDB and raises
        `KeyboardInterrupt`.

        Args:
            statement: `SELECT` in any of its forms, `DESCRIBE`, `SUMMARIZE`, `SHOW TABLES`, or
                `EXPLAIN [ANALYZE]` of a `SELECT`. In it, `objects_at('ID', VERSION)` is the index
                of a source as it was; a time will do as well. `objects_at('ID@3')` is a version
                of the source.

        Returns:
            Batches of some 16,000 rows. Let go of the reader to end the statement early.
            Reading it raises the same errors as this call.

        Raises:
            InvalidInput: The statement is refused, wrong, or needs too much memory.
            NotFound: It asks for a state of the index that is not there (any more).
            StorageError: The catalog cannot be read.
        """
        cursor = self._connection.cursor()
        try:
            statement = self._prepared(cursor, statement)
        except BaseException:
            cursor.close()
            raise
        stream = Stream(cursor, self._catalog.memory_limit_mb)
        self._streams.add(stream)
        return pa.RecordBatchReader.from_batches(stream.start(statement), stream)

    def _prepared(self, cursor: duckdb.DuckDBPyConnection, statement: str) -> str:
        """The statement as it is to run on the cursor, which has the views for it."""
        try:
            resolved = with_past_states(cursor, self._catalog, statement)
            resolved = with_own_names(cursor, with_required_texts(cursor, resolved))
            tree = check_read_only(cursor, resolved)
            create_views(cursor, self._states, asked_parts(tree))
        except duckdb.Error as error:
            raise statement_error(error, self._catalog.memory_limit_mb) from error
        return resolved

    def columns(self) -> dict[str, list[str]]:
        """The names of the columns by table, in their order.

        Raises:
            StorageError: The catalog cannot be read.
        """
        names: dict[str, list[str]] = {}
        with self._connection.cursor() as cursor:
            for table, column in cursor.execute(_COLUMNS).fetchall():
                names.setdefault(table, []).append(column)
        for schema in TABLES:
            if schema.user_columns:
                names[schema.name] = self._states.now(schema).columns.names
        return names

    def interrupt(self) -> None:
        """Stop every statement that is running; who waits for one gets an `InvalidInput`."""
        for stream in list(self._streams):
            stream.interrupt()

    def close(self) -> None:
        """End every statement that is still running; `open_session` does it at its end."""
        for stream in list(self._streams):
            stream.close()


@contextmanager
def open_session(catalog: Catalog, sources: pa.Table | None = None) -> Iterator[Session]:
    """A session over the catalog's tables.

    A table that the catalog does not have yet is an empty view. A table is opened by the first
    statement that names it. The credentials are those of this moment: open another session rather
    than keep one for hours.

    Args:
        catalog: Where the tables are.
        sources: The registry, one row per source; it becomes the table `sources`.

    Raises:
        StorageError: The catalog cannot be read.
    """
    with (
        tempfile.TemporaryDirectory(prefix="s3pipelines-sql-") as folder,
        connect(catalog) as connection,
    ):
        if sources is not None:
            connection.register("given_sources", sources)
            connection.execute("CREATE TABLE sources AS FROM given_sources")
            connection.unregister("given_sources")
        create_placeholders(connection)
        _lock(connection, catalog)
        session = Session(connection, catalog, TableStates(catalog, Path(folder)))
        try:
            yield session
        finally:
            session.close()


def _lock(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    """Take from the connection, for good, all that DuckDB can take; the gate sees to the rest."""
    allowed: set[str] = set()
    for folder in (catalog.location.child("tables"), catalog.location.child(FILES_FOLDER)):
        allowed.add(folder.uri)
        if isinstance(folder, FolderLocation):
            # Delta's log gives its files by their real path.
            allowed.add(str(folder.path.resolve()))
    listed = ", ".join(sql_text(f"{uri.rstrip('/')}/") for uri in sorted(allowed))
    connection.execute(f"SET allowed_directories = [{listed}]")
    # A file of a table never changes: its footer is good for as long as it is remembered.
    connection.execute("SET parquet_metadata_cache = true")
    if isinstance(catalog.location, S3Location):
        connection.execute("SET enable_http_metadata_cache = true")
    connection.execute("SET enable_external_access = false")
    # Global: a cursor does not inherit what was set for the connection that it came from.
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
