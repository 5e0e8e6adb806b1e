"""Appending rows to the tables that are only appended to."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TableSchema
from s3pipelines.core.catalog.tables import (
    NO_CLEANUP,
    WRITER,
    open_table,
    table_errors,
)
from s3pipelines.core.errors import Busy

_ATTEMPTS = 5


def append_rows(
    catalog: Catalog, schema: TableSchema, source_id: str, rows: Sequence[dict[str, Any]]
) -> None:
    """Append rows of one source in one commit; appends do not conflict with each other.

    Raises:
        Busy: The table itself was being changed, again and again.
        StorageError: The catalog cannot be written.
    """
    if not rows:
        return
    assert all(row["source"] == source_id for row in rows)
    by_key = sorted(rows, key=lambda row: row["key"])
    table_rows = pa.Table.from_pylist(by_key, schema=schema.arrow)
    properties = CommitProperties(custom_metadata={"s3pipelines.source": source_id})
    for _ in range(_ATTEMPTS):
        table = open_table(catalog, schema)
        try:
            with table_errors(catalog, schema.name):
                write_deltalake(
                    table,
                    table_rows,
                    mode="append",
                    writer_properties=WRITER,
                    commit_properties=properties,
                    post_commithook_properties=NO_CLEANUP,
                )
            return
        except CommitFailedError:
            continue
    raise Busy(
        f"The table {schema.name!r} was changed {_ATTEMPTS} times while it was written to.",
        hint="See what else writes to it, and run it again.",
    )
