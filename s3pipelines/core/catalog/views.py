"""The rows of one source as views of a DuckDB connection, and which of several rows holds."""

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import sql_text
from s3pipelines.core.catalog.schemas import TableSchema
from s3pipelines.core.catalog.tables import files_of_source, open_table, table_errors
from s3pipelines.core.errors import NotFound


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
    return f"QUALIFY {newest} = 1"


def _rows_of_source(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, schema: TableSchema, source_id: str
) -> str:
    try:
        table = open_table(catalog, schema)
        with table_errors(catalog, schema.name):
            files = files_of_source(table, source_id)
    except NotFound:
        files = []
    stored = [name for name in schema.column_names if name != "source"]
    if files:
        listed = ", ".join(sql_text(uri) for uri in files)
        origin = f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true)"
    else:
        origin = f"no_{schema.name}"
        connection.register(origin, schema.arrow.empty_table())
    return f"SELECT {sql_text(source_id)} AS source, {', '.join(stored)} FROM {origin}"
