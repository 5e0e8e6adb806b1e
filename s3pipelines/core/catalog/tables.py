"""Opening, making and forgetting the Delta tables of the catalog."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable, PostCommitHookProperties, Schema, WriterProperties
from deltalake.exceptions import (
    CommitFailedError,
    DeltaError,
    TableNotFoundError,
)

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TableSchema
from s3pipelines.core.errors import (
    AccessDenied,
    AlreadyExists,
    Busy,
    InvalidInput,
    NotFound,
    StorageError,
)

# Small, so that a merge rewrites little and a query by key reads little.
TARGET_FILE_BYTES = 8 * 1024 * 1024
# A lookup reads one group of rows, 1.3 MB over S3; scans take the same time as with larger groups.
ROW_GROUP_ROWS = 64 * 1024
# Level 3 takes 1.7 times as long, for files that are not smaller.
ZSTD_LEVEL = 1
FIRST_COMMIT = f"{0:020}.json"
_VERSION_PROPERTY = "s3pipelines.schemaVersion"
_PROPERTIES = {
    "delta.targetFileSize": str(TARGET_FILE_BYTES),
    # Without checkpoints a reader fetches every commit since the first.
    "delta.checkpointInterval": "10",
    # The ledger is read by its log, which Delta would remove after 30 days; a compaction does so
    # whatever it is told (deltalake 1.6.6).
    "delta.enableExpiredLogCleanup": "false",
    # A checkpoint forgets after this time which files were removed, and a clean-up then takes them
    # whatever it is to keep; upkeep sets both to what is configured (`core.upkeep.cleaning`).
    "delta.deletedFileRetentionDuration": "interval 720 hours",
    "delta.logRetentionDuration": "interval 720 hours",
}
WRITER = WriterProperties(
    compression="ZSTD",
    compression_level=ZSTD_LEVEL,
    max_row_group_size=ROW_GROUP_ROWS,
    # Whole keys, of at most 1,024 bytes: ranges that are cut off could be the same for all files
    # of a deep folder, and let a reader skip none.
    statistics_truncate_length=1024,
)
NO_CLEANUP = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


def ensure_table(catalog: Catalog, schema: TableSchema) -> DeltaTable:
    """Open the table, which is made if it is not there yet.

    Harmless when several processes do it at once.

    Raises:
        StorageError: The catalog cannot be written.
        InvalidInput: The table was written by a newer release.
    """
    try:
        return open_table(catalog, schema)
    except NotFound:
        _create(catalog, schema)
        return open_table(catalog, schema)


def open_table(catalog: Catalog, schema: TableSchema, version: int | None = None) -> DeltaTable:
    """A handle on the table as it is now, or as it was at `version`.

    A write through it is refused if the table was changed after that version in a way that the
    write would have had to see. So a writer opens its handle *before* it reads what it writes.

    Raises:
        NotFound: There is no such table yet.
        InvalidInput: The table was written by a newer release.
        StorageError: The catalog cannot be read.
    """
    with table_errors(catalog, schema.name):
        table = DeltaTable(
            catalog.table_uri(schema.name),
            version=version,
            storage_options=catalog.delta_options(),
        )
    require_known_version(table, schema)
    return table


def require_known_version(table: DeltaTable, schema: TableSchema) -> None:
    """See that this release knows the columns of a table.

    Raises:
        InvalidInput: The table was written by a newer release.
    """
    written_by = int(table.metadata().configuration.get(_VERSION_PROPERTY) or schema.version)
    if written_by > schema.version:
        raise InvalidInput(
            f"The table {schema.name!r} has schema version {written_by}, "
            f"this release knows {schema.version}.",
            hint="Upgrade s3pipelines on this machine.",
        )


def find_table(catalog: Catalog, schema: TableSchema) -> DeltaTable | None:
    """The table as it is now, or None if there is none yet; see `open_table`."""
    try:
        return open_table(catalog, schema)
    except NotFound:
        return None


def stored_schema(table: DeltaTable, schema: TableSchema) -> pa.Schema:
    """The columns that a table has: those of its schema first, then those that users brought."""
    stored = pa.schema(table.schema().to_arrow())
    own = set(schema.column_names)
    names = [*schema.column_names, *(name for name in stored.names if name not in own)]
    return pa.schema([stored.field(name) for name in names])


def forget_source(catalog: Catalog, schema: TableSchema, source_id: str) -> None:
    """Remove every row of a source.

    Raises:
        Busy: Something else changed the same rows in the same moment; none was removed.
        StorageError: The catalog cannot be written.
    """
    table = find_table(catalog, schema)
    if table is None:
        return
    with table_errors(catalog, schema.name):
        try:
            table.delete(source_predicate(source_id), post_commithook_properties=NO_CLEANUP)
        except CommitFailedError as error:
            raise Busy(
                f"The table {schema.name!r} was changed while rows of {source_id!r} were removed.",
                hint="Run the same command again; it goes on where it stopped.",
            ) from error


def compact(table: DeltaTable, source_id: str) -> int:
    """Put the small files of a source together; appends go on meanwhile.

    Args:
        table: A handle on the table.
        source_id: The source; empty in a table without sources.

    Returns:
        How many files were written anew.

    Raises:
        CommitFailedError: Something else rewrote them.
    """
    done = table.optimize.compact(
        partition_filters=[("source", "=", source_id)] if source_id else None,
        writer_properties=WRITER,
        post_commithook_properties=NO_CLEANUP,
    )
    return int(done["numFilesRemoved"])


def files_of_source(table: DeltaTable, source_id: str) -> list[str]:
    """The files of a source in exactly the handle's version, as DuckDB takes their names."""
    uris = table.file_uris(file_pruning_predicate=source_predicate(source_id))
    # deltalake percent-encodes the paths of a local table.
    return [uri if "://" in uri else unquote(uri) for uri in uris]


def source_predicate(source_id: str, alias: str = "") -> str:
    """The predicate that names one source literally, as every write must.

    Without a literal, Delta cannot see that writers of different sources do not conflict. Ids
    hold no quotes (see `Source.id`), so there is nothing to escape.
    """
    column = f"{alias}.source" if alias else "source"
    return f"{column} = '{source_id}'"


@contextmanager
def table_errors(catalog: Catalog, name: str) -> Iterator[None]:
    """Turn what deltalake raises into the project's errors; conflicts pass as they are.

    Raises:
        NotFound: There is no such table.
        AccessDenied: The catalog may not be read or written.
        StorageError: Anything else.
    """
    try:
        yield
    except CommitFailedError:
        raise
    except TableNotFoundError as error:
        raise NotFound(
            f"There is no table {name!r} in the catalog yet.",
            hint="Run 's3pipelines index refresh --source ID' first.",
        ) from error
    except (DeltaError, OSError) as error:
        raise _storage_error(catalog, error) from error


def _storage_error(catalog: Catalog, error: Exception) -> StorageError:
    text = " ".join(str(error).split())
    where = f"The catalog {catalog.location.uri}"
    if any(word in text for word in ("Permission denied", "AccessDenied", "403", "Read-only")):
        return AccessDenied(
            f"{where} may not be read or written.",
            hint="Check its permissions, or set S3PIPELINES_CATALOG to another place.",
        )
    return StorageError(
        f"{where} cannot be used ({text[:300]}).",
        hint="Check that it exists and can be reached, or set S3PIPELINES_CATALOG.",
    )


def _properties(schema: TableSchema) -> dict[str, str | None]:
    properties: dict[str, str | None] = {**_PROPERTIES, _VERSION_PROPERTY: str(schema.version)}
    if schema.change_feed:
        properties["delta.enableChangeDataFeed"] = "true"
    return properties


def _create(catalog: Catalog, schema: TableSchema) -> None:
    """Write the first commit of a table, unless somebody else was first.

    `DeltaTable.create` may not do it in place: where two processes make a table at once, it writes
    the loser's columns and properties as one more commit after all that came meanwhile (deltalake
    1.6.6), over columns that users have brought since.
    """
    name = f"tables/{schema.name}/_delta_log/{FIRST_COMMIT}"
    with suppress(AlreadyExists):
        catalog.documents.create(name, _first_commit(catalog, schema))


def _first_commit(catalog: Catalog, schema: TableSchema) -> bytes:
    with tempfile.TemporaryDirectory(prefix="s3pipelines-table-") as folder:
        table = DeltaTable.create(
            folder,
            Schema.from_arrow(schema.arrow),
            partition_by=["source"] if schema.by_source else None,
            name=schema.name,
            description=schema.description,
            configuration=_properties(schema),
            raise_if_key_not_exists=False,  # Our own property is not one of Delta's.
        )
        text = Path(folder, "_delta_log", FIRST_COMMIT).read_text()
        # Of interest to people only, who would look for a folder that is gone.
        return text.replace(table.table_uri, f"{catalog.table_uri(schema.name)}/").encode()
