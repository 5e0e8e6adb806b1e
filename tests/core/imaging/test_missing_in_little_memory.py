"""The question what is missing, of more objects than fit into the memory that it may use."""

from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import IMAGES, OBJECTS, TableSchema
from s3pipelines.core.catalog.tables import ensure_table, open_table
from s3pipelines.core.imaging.missing import count_missing
from s3pipelines.core.imaging.wishes import Work
from s3pipelines.core.sources.entries import write_entry
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text

READER_VERSION = "libvips 8.18.7, Pillow 13.0.0"
OBJECTS_COUNT = 1_000_000
# Two threads need 96 MB however many objects there are; each further one takes some more. With
# states that DuckDB cannot spill, 128 MB were not enough.
MEMORY_LIMIT_MB = 128


def rows(schema: TableSchema, count: int, failing_every: int) -> pa.Table:
    """Rows of the source `many`, of which one in so many could not be read from the storage."""
    now = datetime.now(UTC).isoformat()
    values = {
        "source": "'many'",
        "bucket": "'b'",
        "key": "'photographs/2026/' || md5(range::VARCHAR) || '.jpg'",
        "etag": "md5('e' || range)",
        "size_bytes": "1234",
        "storage_class": "'STANDARD'",
        "extension": "'jpg'",
        "error": f"if(range % {failing_every} = 0, 'unreachable', NULL)",
        "reader_version": sql_text(READER_VERSION),
    } | dict.fromkeys(("last_modified", "indexed_at", "read_at"), f"TIMESTAMPTZ '{now}'")
    columns = ", ".join(f"{values.get(name, 'NULL')} AS {name}" for name in schema.column_names)
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {columns} FROM range({count})").to_arrow_table()
    return found.cast(schema.arrow)


@pytest.mark.slow
def test_what_is_missing_spills_to_disk_instead_of_running_out_of_memory(local_catalog: Catalog):
    write_entry(local_catalog.documents, "many", Source(id="many", bucket="b", prefix=""), None)
    for schema in (OBJECTS, IMAGES):
        ensure_table(local_catalog, schema)
        handle = open_table(local_catalog, schema)
        write_deltalake(handle, rows(schema, OBJECTS_COUNT, failing_every=1000), mode="append")

    tight = replace(local_catalog, memory_limit_mb=MEMORY_LIMIT_MB)

    assert count_missing(tight, Work("many", "header"), READER_VERSION) == OBJECTS_COUNT // 1000
