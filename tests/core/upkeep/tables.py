"""Tables with many rows, quickly made, and what can be seen of them."""

from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import write_deltalake

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS, TABLES, TableSchema
from s3pipelines.core.catalog.tables import NO_CLEANUP, WRITER, ensure_table
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.storage.locations import FolderLocation

_OBJECTS = """
    SELECT '{source}' AS source, 'bucket' AS bucket,
        'maps/' || lpad((i // 1000)::VARCHAR, 5, '0') || '/scan_' || md5(i::VARCHAR)[:6] || '.tif'
            AS key,
        i AS size_bytes, md5(i::VARCHAR) AS etag, NULL::VARCHAR AS version_id,
        TIMESTAMPTZ '2024-01-01' + to_seconds(i) AS last_modified, 'STANDARD' AS storage_class,
        'tif' AS extension, TIMESTAMPTZ '2026-01-01' AS indexed_at
    FROM range({count}) t(i) WHERE i % {files} = {file} {order}
"""


def add_objects(
    catalog: Catalog, source_id: str, count: int, *, files: int = 1, shuffled: bool = False
) -> None:
    """Append `count` objects to `objects`, in commits that each span all of the keys."""
    ensure_table(catalog, OBJECTS)
    order = "ORDER BY hash(i)" if shuffled else "ORDER BY key"
    for number in range(files):
        query = _OBJECTS.format(
            source=source_id, count=count, files=files, file=number, order=order
        )
        with duckdb.connect() as connection:
            append(catalog, OBJECTS, connection.execute(query).to_arrow_table())


def append(catalog: Catalog, schema: TableSchema, rows: pa.Table) -> None:
    """Append in one commit."""
    write_deltalake(
        catalog.table_uri(schema.name),
        rows.select(schema.column_names).cast(schema.arrow),
        mode="append",
        storage_options=catalog.delta_options(),
        writer_properties=WRITER,
        post_commithook_properties=NO_CLEANUP,
    )


def rows_of(catalog: Catalog, table: str, source_id: str = "maps") -> list[tuple[object, ...]]:
    """What a reader is shown of a source in a table, in some fixed order."""
    (schema,) = (schema for schema in TABLES if schema.name == table)
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source_id, schema)
        return connection.execute(f"FROM {table} ORDER BY ALL").fetchall()


def keys_of(catalog: Catalog, table: str) -> list[str]:
    """The keys of the source `maps` that a reader is shown in a table, in their order."""
    (schema,) = (schema for schema in TABLES if schema.name == table)
    place = schema.column_names.index("key")
    return sorted(str(row[place]) for row in rows_of(catalog, table))


def files_on_disk(catalog: Catalog, table: str) -> list[Path]:
    """The data files in the folder of a table, of whichever version."""
    assert isinstance(catalog.location, FolderLocation)
    return sorted((catalog.location.path / "tables" / table).glob("source=*/*.parquet"))
