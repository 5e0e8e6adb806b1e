# pyright: standard
# pyarrow ships no types.
"""A report of S3 Inventory as a listing: the same rows, under the same rules, sorted by key.

A report comes in files that are in no order together. Each is fetched, checked, and reduced to the
rows of the source; these are then sorted in DuckDB, which spills, so that memory does not grow
with the bucket.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.errors import InvalidInput, StorageError
from s3pipelines.core.index.spool import Spool, spooled_schema
from s3pipelines.core.sources.scope import Scope
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.inventories import Inventory, InventoryFile, download_files
from s3pipelines.core.storage.listing.pages import LISTED, LISTED_VERSIONS, ListingPage

_ROWS_PER_GROUP = 64 * 1024
# The columns as Parquet and ORC files have them, and as a CSV file's schema and the configuration
# of an inventory name them.
_FIELDS = {
    "key": "Key",
    "size": "Size",
    "last_modified_date": "LastModifiedDate",
    "e_tag": "ETag",
    "storage_class": "StorageClass",
}
# Only a report of all versions has these.
_VERSION_FIELDS = {
    "version_id": "VersionId",
    "is_latest": "IsLatest",
    "is_delete_marker": "IsDeleteMarker",
}


def spool_inventory(
    catalog: Catalog, source: Source, access: Access, inventory: Inventory, path: Path
) -> Spool:
    """Write what a report says of a source into `path`, as `spool_listing` does.

    Args:
        catalog: Says how much memory may be used.
        source: The source.
        access: How to reach the bucket of the report.
        inventory: The report.
        path: Where to write.

    Raises:
        InvalidInput: The report is of another bucket, lacks a column, or has nothing of the source.
        StorageError: A file of it cannot be read, or is damaged.
    """
    if inventory.source_bucket != source.bucket:
        raise InvalidInput(
            f"{inventory.uri} tells of the bucket {inventory.source_bucket!r}, "
            f"not of {source.bucket!r}, which {source.id!r} is in.",
            hint="Give the manifest of an inventory of that bucket.",
        )
    rows = waiting = 0
    with (
        tempfile.TemporaryDirectory(prefix="s3pipelines-inventory-") as folder,
        connect(catalog) as connection,
    ):
        unsorted = Path(folder, "unsorted.parquet")
        _write_scoped(connection, source, access, inventory, unsorted)
        for table in _write_sorted(connection, unsorted, path, spooled_schema(source)):
            rows += table.num_rows
            waiting += table.column("settled").to_pylist().count(False)
    if not rows:
        raise InvalidInput(
            f"{inventory.uri} has no object of {source.id!r}.",
            hint="Check that the prefix of its configuration takes in that of the source; if the "
            "source is empty, refresh it with --full.",
        )
    return Spool((path,), rows, waiting, requests=2 + len(inventory.files))


def _write_scoped(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    access: Access,
    inventory: Inventory,
    path: Path,
) -> None:
    scope, fetched = Scope(source), path.with_name("fetched")
    schema = spooled_schema(source)
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for file in download_files(access, inventory, fetched):
            for objects in _objects(connection, source, inventory, file, fetched):
                # S3 looked at the bucket then: what had come to rest by that time has.
                page = ListingPage(objects, inventory.created_at, is_last=False)
                writer.write_batch(scope.of(page))


def _write_sorted(
    connection: duckdb.DuckDBPyConnection, unsorted: Path, path: Path, schema: pa.Schema
) -> Iterator[pa.Table]:
    """Write the rows in the order of their keys, each key once, and yield what was written."""
    query = f"FROM read_parquet({sql_text(str(unsorted))}) ORDER BY key, last_modified DESC"
    last_key = None
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for batch in connection.execute(query).to_arrow_reader(_ROWS_PER_GROUP):
            keys = batch.column("key").to_pylist()
            # A report is made while the bucket changes: of what it has twice, the later one holds.
            new = [key != before for key, before in zip(keys, [last_key, *keys], strict=False)]
            last_key = keys[-1] if keys else last_key
            table = pa.Table.from_batches([batch.filter(pa.array(new, pa.bool_()))]).cast(schema)
            writer.write_table(table)
            yield table


def _objects(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    inventory: Inventory,
    file: InventoryFile,
    path: Path,
) -> Iterator[pa.RecordBatch]:
    """The present objects below the source's prefix, in no order.

    Of schema `LISTED`, or of `LISTED_VERSIONS` where the source asks for versions.
    """
    schema = LISTED_VERSIONS if source.versions else LISTED
    try:
        for relation in _relations(connection, inventory, path):
            names = [row[0] for row in connection.execute(f"DESCRIBE {relation}").fetchall()]
            _require_fields(inventory, names)
            query = _query(relation, names, source, encoded=inventory.file_format == "CSV")
            for batch in connection.execute(query).to_arrow_reader(_ROWS_PER_GROUP):
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise StorageError(
            f"s3://{inventory.bucket}/{file.key} cannot be read "
            f"({' '.join(str(error).split())[:200]}).",
            hint="Take the next report, or have it written in another format.",
        ) from error


def _relations(
    connection: duckdb.DuckDBPyConnection, inventory: Inventory, path: Path
) -> Iterator[str]:
    """Queries for the rows of a file; together they have all of them."""
    name = sql_text(str(path))
    if inventory.file_format == "Parquet":
        yield f"FROM read_parquet({name})"
    elif inventory.file_format == "CSV":
        known = {field: column for column, field in (_FIELDS | _VERSION_FIELDS).items()}
        columns = [known.get(field, field) for field in inventory.csv_columns]
        typed = ", ".join(f"{sql_text(column)}: 'VARCHAR'" for column in columns)
        yield (
            f"FROM read_csv({name}, header = false, auto_detect = false, delim = ',', "
            f"quote = '\"', escape = '\"', compression = 'gzip', columns = {{{typed}}})"
        )
    else:
        stripes = orc.ORCFile(path)
        for number in range(stripes.nstripes):
            connection.register("stripe", pa.Table.from_batches([stripes.read_stripe(number)]))
            yield "FROM stripe"
            connection.unregister("stripe")


def _query(relation: str, names: list[str], source: Source, *, encoded: bool) -> str:
    key = "url_decode(replace(key, '+', ' '))" if encoded else "key"
    conditions = [f"starts_with({key}, {sql_text(source.prefix)})"]
    if "is_latest" in names:
        conditions.append("coalesce(is_latest::BOOLEAN, true)")
    if "is_delete_marker" in names:
        conditions.append("NOT coalesce(is_delete_marker::BOOLEAN, false)")
    version = ""
    if source.versions:
        # `null` stays unknown: the report does not tell whether the bucket ever kept versions.
        known = "nullif(nullif(version_id, ''), 'null')"
        version = f", {known if 'version_id' in names else 'NULL::VARCHAR'}"
    return f"""
        SELECT {key} AS key, size::BIGINT, trim(e_tag, '"'),
            -- First without a zone, as ORC has it: the session is in UTC.
            last_modified_date::TIMESTAMP::TIMESTAMPTZ,
            coalesce(nullif(storage_class, ''), 'STANDARD'){version}
        FROM ({relation}) WHERE {" AND ".join(conditions)}
    """


def _require_fields(inventory: Inventory, names: list[str]) -> None:
    for name, field in _FIELDS.items():
        if name not in names:
            raise InvalidInput(
                f"{inventory.uri} does not tell the {field} of objects.",
                hint=f"Add the field {field} to the configuration of the inventory, and take in "
                "its next report.",
            )
