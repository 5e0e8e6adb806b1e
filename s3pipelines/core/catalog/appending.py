"""Appending rows to the tables that are only appended to."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TableSchema
from s3pipelines.core.catalog.tables import (
    NO_CLEANUP,
    WRITER,
    ensure_table,
    table_errors,
)
from s3pipelines.core.errors import Busy

_ATTEMPTS = 5


def append_rows(catalog: Catalog, schema: TableSchema, rows: Sequence[dict[str, Any]]) -> int:
    """Append rows in one commit, to a table that is made if need be; appends do not conflict.

    Returns:
        The version of the table that has them; -1 if there were none.

    Raises:
        Busy: The table itself was being changed, again and again.
        StorageError: The catalog cannot be written.
        InvalidInput: The table was written by a newer release.
    """
    if not rows:
        return -1
    for _ in range(_ATTEMPTS):
        table = ensure_table(catalog, schema)
        try:
            append_through(catalog, schema, table, in_batches(schema, rows))
        except CommitFailedError:
            continue
        return table.version()
    raise Busy(
        f"The table {schema.name!r} was changed {_ATTEMPTS} times while it was written to.",
        hint="See what else writes to it, and run it again.",
    )


def in_batches(schema: TableSchema, rows: Sequence[dict[str, Any]]) -> pa.RecordBatchReader:
    """Rows of a table, sorted by source and key."""
    by_key = sorted(rows, key=lambda row: (row.get("source", ""), row.get("key", "")))
    return pa.Table.from_pylist(by_key, schema=schema.arrow).to_reader()


def append_through(
    catalog: Catalog,
    schema: TableSchema,
    table: DeltaTable,
    rows: pa.RecordBatchReader,
    transactions: Sequence[Transaction] = (),
) -> None:
    """Append through a handle, which is at the new version afterwards.

    Args:
        catalog: Where the table is.
        schema: Its schema.
        table: The handle.
        rows: Rows, sorted by key.
        transactions: Another writer of one of the same names, since the handle was opened, makes
            this fail.

    Raises:
        CommitFailedError: Somebody overtook; nothing was written.
        StorageError: The catalog cannot be written.
    """
    with table_errors(catalog, schema.name):
        write_deltalake(
            table,
            rows,
            mode="append",
            writer_properties=WRITER,
            commit_properties=CommitProperties(app_transactions=list(transactions)),
            post_commithook_properties=NO_CLEANUP,
        )
