"""The rows of one source as views of a DuckDB connection, and which of several rows holds."""

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import empty_relation
from s3pipelines.core.catalog.schemas import OBJECTS, OBJECTS_TAIL, TableSchema
from s3pipelines.core.catalog.tables import (
    files_of_source,
    find_table,
    stored_schema,
    table_errors,
)
from s3pipelines.core.sql.quoting import sql_name, sql_text


def create_source_views(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    source_id: str,
    *schemas: TableSchema,
) -> None:
    """Make a view of the rows of one source for each table; they stay as the tables are now.

    Of a table that is only appended to, the view has the rows that hold, and a second one,
    `NAME_attempts`, has all. A table that the catalog does not have yet is an empty view.

    Raises:
        StorageError: The catalog cannot be read.
    """
    for schema in schemas:
        origin = _rows_of_source(connection, catalog, schema, source_id)
        if schema.latest_by is not None:
            attempts = f"{schema.name}_attempts"
            connection.execute(f"CREATE OR REPLACE VIEW {attempts} AS {origin}")
            origin = f"SELECT * FROM {attempts} {latest_only(schema)}"
        connection.execute(f"CREATE OR REPLACE VIEW {schema.name} AS {origin}")


def latest_only(schema: TableSchema) -> str:
    """What ends a query over the rows of `schema` so that only those that hold are left."""
    if schema.latest_by is None:
        return ""
    identity = ", ".join(schema.identity)
    # 0.6 s for a million rows; a condition on the identity still skips files and row groups.
    newest = f"row_number() OVER (PARTITION BY {identity} ORDER BY {schema.latest_by} DESC)"
    shown = f" AND {schema.shown_if}" if schema.shown_if else ""
    return f"QUALIFY {newest} = 1{shown}"


def _rows_of_source(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, schema: TableSchema, source_id: str
) -> str:
    if schema.user_columns:
        return _rows_with_user_columns(connection, catalog, schema, source_id)
    if schema is not OBJECTS:
        return _files(connection, schema, source_id, _files_of(catalog, schema, source_id))
    tail_files = _files_of(catalog, OBJECTS_TAIL, source_id)
    base = _files(connection, schema, source_id, _files_of(catalog, schema, source_id))
    if not tail_files:
        return base
    tail = _files(connection, OBJECTS_TAIL, source_id, tail_files)
    return with_tail(f"({base})", f"({tail})")


def _rows_with_user_columns(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, schema: TableSchema, source_id: str
) -> str:
    table = find_table(catalog, schema)
    columns = schema.arrow if table is None else stored_schema(table, schema)
    connection.register(f"no_{schema.name}", columns.empty_table())
    names = ", ".join(map(sql_name, columns.names))
    none = f"SELECT {names} FROM no_{schema.name}"
    if table is None:
        return none
    with table_errors(catalog, schema.name):
        files = files_of_source(table, source_id)
    if not files:
        return none
    # A file lacks the columns that came after it.
    return f"""
        {none} UNION ALL BY NAME
        SELECT {sql_text(source_id)} AS source, * FROM {_parquet(files)}
    """


def _files_of(catalog: Catalog, schema: TableSchema, source_id: str) -> list[str]:
    table = find_table(catalog, schema)
    if table is None:
        return []
    with table_errors(catalog, schema.name):
        return files_of_source(table, source_id)


def _files(
    connection: duckdb.DuckDBPyConnection, schema: TableSchema, source_id: str, files: list[str]
) -> str:
    stored = [name for name in schema.column_names if name != "source"]
    if files:
        origin = _parquet(files)
    else:
        origin = f"no_{schema.name}"
        connection.register(origin, schema.arrow.empty_table())
    return f"SELECT {sql_text(source_id)} AS source, {', '.join(stored)} FROM {origin}"


def _parquet(files: list[str]) -> str:
    listed = ", ".join(map(sql_text, files))
    return f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true)"


def with_tail(base: str, tail: str) -> str:
    """A query for the index: the rows of `objects`, and those of `objects_tail` in their place.

    A merge writes every file anew that holds a changed key. Where that would be much for little,
    the changes are appended to the tail instead, and merged later (see `core.index.upkeep`). So
    whoever reads the index reads both, the tail *first*: what is merged in between is then seen
    twice with the same content, and never not at all.

    Args:
        base: A relation with the columns of `objects`.
        tail: A relation with the columns of `objects_tail`.
    """
    names = ", ".join(OBJECTS.column_names)
    # Once: read twice, it could be two versions of the table, and a key be in both parts.
    return f"""
        WITH tail AS MATERIALIZED (SELECT * FROM {tail} {latest_only(OBJECTS_TAIL)})
        SELECT {names} FROM {base} AS merged ANTI JOIN tail
            ON merged.source = tail.source AND merged.key = tail.key
        UNION ALL
        SELECT {names} FROM tail WHERE NOT gone
    """


def index_now(catalog: Catalog) -> str:
    """A query for the whole index as it is when it runs; a condition on it skips files.

    Raises:
        StorageError: The catalog cannot be read.
    """
    has_tail = find_table(catalog, OBJECTS_TAIL) is not None
    if find_table(catalog, OBJECTS) is None:
        return empty_relation(OBJECTS)
    base = f"delta_scan({sql_text(catalog.table_uri(OBJECTS.name))})"
    if not has_tail:
        return f"SELECT * FROM {base}"
    return with_tail(base, f"delta_scan({sql_text(catalog.table_uri(OBJECTS_TAIL.name))})")
