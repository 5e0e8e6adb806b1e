"""The ledger: the table `changes`, to which every way of noticing something is written first.

A hint (an event, or a difference that a listing showed) is a row before anything is done about it,
and before the message is deleted that it came in.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import empty_relation
from s3pipelines.core.catalog.schemas import CHANGES
from s3pipelines.core.catalog.tables import source_predicate, table_errors
from s3pipelines.core.detection.pending import note_hints
from s3pipelines.core.sources.source import Source

_COLUMNS = [name for name in CHANGES.column_names if name != "source"]


def observation_id(*parts: object) -> str:
    """The id of an observation that is the same whenever, and however often, it arrives."""
    return hashlib.sha256("\n".join(map(str, parts)).encode("utf-8", "replace")).hexdigest()[:32]


def append_hints(
    catalog: Catalog, hints: Sequence[tuple[Source, Sequence[dict[str, Any]]]], at: datetime
) -> None:
    """Write rows of several sources in one commit, and note them as pending.

    They are durable when this returns; a process that is killed before may leave rows that are
    written again, which does no harm.

    Args:
        catalog: Where the ledger is.
        hints: Rows of `changes` by source.
        at: When they were observed.

    Raises:
        StorageError: The catalog cannot be written.
    """
    rows = [row for _, some in hints for row in some]
    if not rows:
        return
    version = append_rows(catalog, CHANGES, rows)
    for source, some in hints:
        if asking := sum(row["kind"] == "hinted" for row in some):
            note_hints(catalog, source, version, asking, at)


def load_observations(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    ledger: DeltaTable,
    source_id: str,
    first: int,
) -> None:
    """Make the temporary table `observations` of what a source has in the ledger.

    It has the columns of `changes` without `source`, and `commit_version`: the version of the
    ledger that brought the row.

    Args:
        connection: Where to make it.
        catalog: Where the ledger is.
        ledger: A handle on it; later versions are left out.
        source_id: Whose rows.
        first: The first version to read.

    Raises:
        StorageError: The ledger cannot be read.
    """
    columns = ", ".join(_COLUMNS)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE observations AS "
        f"SELECT {columns}, 0::BIGINT AS commit_version FROM ({empty_relation(CHANGES)})"
    )
    if first > ledger.version():
        return
    with table_errors(catalog, CHANGES.name):
        feed = pa.RecordBatchReader.from_stream(
            ledger.load_cdf(
                starting_version=max(0, first),
                ending_version=ledger.version(),
                predicate=source_predicate(source_id),
            )
        )
        connection.register("feed", feed)
        connection.execute(
            f"INSERT INTO observations SELECT {columns}, _commit_version::BIGINT FROM feed "
            "WHERE _change_type = 'insert'"
        )
        connection.unregister("feed")


def add_observations(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[dict[str, Any]], version: int
) -> None:
    """Add rows to `observations` that were just written as that version of the ledger."""
    written = pa.Table.from_pylist(list(rows), schema=CHANGES.arrow)
    connection.register("written", written)
    columns = ", ".join(_COLUMNS)
    connection.execute(f"INSERT INTO observations SELECT {columns}, {int(version)} FROM written")
    connection.unregister("written")


def new_row(source_id: str, key: str, kind: str, **values: Any) -> dict[str, Any]:
    """A row of `changes`; what is not given is NULL."""
    empty = dict.fromkeys(CHANGES.column_names)
    return {**empty, "source": source_id, "key": key, "kind": kind, **values}
