"""A session: a locked DuckDB with the tables as views, which answers statements that only read."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from weakref import WeakSet

import duckdb
import pyarrow as pa

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect, empty_relation, sql_name, sql_text
from s3pipelines.core.catalog.schemas import OBJECTS, OBJECTS_TAIL, TABLES, TableSchema
from s3pipelines.core.catalog.tables import find_table, open_table, stored_schema
from s3pipelines.core.catalog.views import index_now, latest_only
from s3pipelines.core.errors import NotFound
from s3pipelines.core.sql.failures import statement_error
from s3pipelines.core.sql.gate import check_read_only
from s3pipelines.core.sql.streams import Stream
from s3pipelines.core.sql.time_travel import with_past_states
from s3pipelines.core.sql.views import VIEWS
from s3pipelines.core.storage.locations import FolderLocation

_OPEN_AT_A_TIME = 8
_COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'main' ORDER BY table_name, ordinal_position
"""


class Session:
    """Answers statements over the catalog's tables; made by `open_session`.

    Several statements may run at the same time, also from several threads. Each sees the tables
    as they are when it starts.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
        self._connection = connection
        self._catalog = catalog
        self._streams: WeakSet[Stream] = WeakSet()

    def run(self, statement: str) -> pa.RecordBatchReader:
        """Run one statement that reads, and stream what it finds.

        The answer is computed as it is read, so it may be larger than memory. Times are in UTC.
        Ctrl-C, while the main thread waits here or for a batch, stops DuckDB and raises
        `KeyboardInterrupt`.

        Args:
            statement: `SELECT` in any of its forms, `DESCRIBE`, `SUMMARIZE`, `SHOW TABLES`, or
                `EXPLAIN [ANALYZE]` of a `SELECT`. In it, `objects_at('ID', VERSION)` is the index
                of a source as it was; a time will do as well.

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
            statement = self._judged(cursor, statement)
        except BaseException:
            cursor.close()
            raise
        stream = Stream(cursor, self._catalog.memory_limit_mb)
        self._streams.add(stream)
        return pa.RecordBatchReader.from_batches(stream.start(statement), stream)

    def _judged(self, cursor: duckdb.DuckDBPyConnection, statement: str) -> str:
        """The statement as it is to run on the cursor."""
        try:
            resolved = with_past_states(cursor, self._catalog, statement)
        except duckdb.Error as error:
            raise statement_error(error, self._catalog.memory_limit_mb) from error
        check_read_only(cursor, resolved)
        return resolved

    def columns(self) -> dict[str, list[str]]:
        """The names of the columns by table, in their order."""
        names: dict[str, list[str]] = {}
        with self._connection.cursor() as cursor:
            for table, column in cursor.execute(_COLUMNS).fetchall():
                names.setdefault(table, []).append(column)
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

    A table that the catalog does not have yet is an empty view. The credentials are those of
    this moment: open another session rather than keep one for hours.

    Args:
        catalog: Where the tables are.
        sources: The registry, one row per source; it becomes the table `sources`.

    Raises:
        StorageError: The catalog cannot be read.
    """
    with connect(catalog, delta=True) as connection:
        if sources is not None:
            connection.register("given_sources", sources)
            connection.execute("CREATE TABLE sources AS FROM given_sources")
            connection.unregister("given_sources")
        _create_views_of_objects(connection)
        with ThreadPoolExecutor(_OPEN_AT_A_TIME) as pool:
            # Side by side: to open a Delta table on S3 takes several requests in a row.
            list(pool.map(lambda schema: _create_view(connection, catalog, schema), TABLES))
        _lock(connection, catalog)
        session = Session(connection, catalog)
        try:
            yield session
        finally:
            session.close()


def _create_views_of_objects(connection: duckdb.DuckDBPyConnection) -> None:
    """Make what is computed from `objects`, before that is there.

    DuckDB looks a view up again whenever it is asked. Made over the real one, each of them would
    open the Delta table once more, which on S3 takes several requests in a row.
    """
    connection.execute(f"CREATE VIEW objects AS {empty_relation(OBJECTS)}")
    for view in VIEWS:
        connection.execute(f"CREATE VIEW {view.name} AS {view.query}")
    connection.execute("DROP VIEW objects")


def _create_view(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, schema: TableSchema
) -> None:
    if schema is OBJECTS and find_table(catalog, OBJECTS_TAIL) is not None:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE VIEW objects AS {index_now(catalog)}")
        return
    scan = f"delta_scan({sql_text(catalog.table_uri(schema.name))})"
    if schema.user_columns and (table := find_table(catalog, schema)) is not None:
        columns = ", ".join(map(sql_name, stored_schema(table, schema).names))
        with connection.cursor() as cursor:
            cursor.execute(_view(schema, columns, scan))
        return
    with connection.cursor() as cursor:
        try:
            cursor.execute(_view(schema, _columns(cursor, schema, schema.column_names), scan))
        except duckdb.Error as first:
            try:
                stored = [field.name for field in open_table(catalog, schema).schema().fields]
            except NotFound:
                stored, scan = [], "(SELECT 1) WHERE false"
            if stored == schema.column_names:
                raise statement_error(first, catalog.memory_limit_mb) from first
            cursor.execute(_view(schema, _columns(cursor, schema, stored), scan))


def _view(schema: TableSchema, columns: str, origin: str) -> str:
    view = f'CREATE VIEW "{schema.name}" AS SELECT {columns} FROM {origin}'
    return f"{view} {latest_only(schema)}"


def _columns(cursor: duckdb.DuckDBPyConnection, schema: TableSchema, stored: list[str]) -> str:
    """The columns of the view; those that the table has not got yet are NULL.

    A release may add a column, and reads tables that no writer of that release has touched yet.
    """
    types = cursor.from_arrow(schema.arrow.empty_table()).types
    return ", ".join(
        f'"{name}"' if name in stored else f'CAST(NULL AS {type_}) AS "{name}"'
        for name, type_ in zip(schema.column_names, types, strict=True)
    )


def _lock(connection: duckdb.DuckDBPyConnection, catalog: Catalog) -> None:
    """Take from the connection, for good, all that DuckDB can take; the gate sees to the rest."""
    folder = catalog.location.child("tables")
    allowed = {folder.uri}
    if isinstance(folder, FolderLocation):
        allowed.add(str(folder.path.resolve()))  # Delta's log gives its files by their real path.
    listed = ", ".join(sql_text(f"{uri.rstrip('/')}/") for uri in sorted(allowed))
    connection.execute(f"SET allowed_directories = [{listed}]")
    connection.execute("SET enable_external_access = false")
    # Global: a cursor does not inherit what was set for the connection that it came from.
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
