"""Writing the difference: into the tail, as a merge of the changed rows, or the partition anew."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa
from deltalake import CommitProperties, Transaction
from deltalake.exceptions import CommitFailedError

from s3pipelines.core.catalog.appending import append_through
from s3pipelines.core.catalog.schemas import OBJECTS, OBJECTS_TAIL
from s3pipelines.core.catalog.sorted_files import write_sorted_files
from s3pipelines.core.catalog.tables import (
    NO_CLEANUP,
    WRITER,
    files_of_source,
    open_table,
    source_predicate,
    table_errors,
)
from s3pipelines.core.index.comparison import Comparison
from s3pipelines.core.index.snapshot import Snapshot
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.upload import place_file

Written = Literal["nothing", "tail", "merge", "replacement"]

# A merge joins the files that it touches with the changes and writes them again, unsorted. Changes
# that are scattered over the keys touch every file: both ways then write the same bytes and, up to
# this share of a million rows, take the same CPU time; beyond it a merge takes more. Changes that
# lie together are merged far more cheaply (benchmarks/RESULTS.md).
MERGE_UP_TO = 0.1
# A merge holds its changes in memory, some 1 kB each. Where they outgrow its memory, it fails or
# (deltalake 1.6.6: 100,000 rows in 64 MB) waits for ever, so they stay far below.
MERGE_MOST_ROWS = 100_000
_MERGE_LEAST_BYTES = 256 * 1024 * 1024


def cheaper_way(changed: int, indexed: int) -> Written:
    """How to bring `indexed` merged rows up to date when `changed` objects differ."""
    if changed == 0:
        return "nothing"
    few = changed <= min(indexed * MERGE_UP_TO, MERGE_MOST_ROWS)
    return "merge" if few else "replacement"


def commit(
    way: Written,
    snapshot: Snapshot,
    comparison: Comparison,
    transactions: Sequence[Transaction],
    position: int = -1,
) -> None:
    """Write the differences in one Delta commit, through the handles of the snapshot.

    Args:
        way: How.
        snapshot: The index that was compared.
        comparison: What differs.
        transactions: What the commit says of itself.
        position: Of the rows in the tail: the version of the ledger that they come from.

    Raises:
        CommitFailedError: The source's rows were changed since; nothing was written.
    """
    if way == "tail":
        tail, rows = snapshot.tail_for_writing(), comparison.tail_rows(position)
        append_through(snapshot.catalog, OBJECTS_TAIL, tail, rows, transactions)
        return
    if way == "merge":
        with table_errors(snapshot.catalog, OBJECTS.name):
            _merge(snapshot, comparison, _properties(snapshot, transactions))
    elif way == "replacement":
        replace_rows(snapshot, comparison.all_rows(snapshot.merged_rows), transactions)


def replace_rows(
    snapshot: Snapshot, rows: pa.RecordBatchReader, transactions: Sequence[Transaction]
) -> None:
    """Write the rows of the source anew, whole, as files that are sorted by key.

    Args:
        snapshot: The index that they replace.
        rows: All its rows, sorted by key, in batches of `ROW_GROUP_ROWS`.
        transactions: What the commit says of itself.

    Raises:
        CommitFailedError: The source's rows were changed since; nothing was written.
        StorageError: The catalog cannot be written.
    """
    catalog = snapshot.catalog
    stored = pa.schema([field for field in OBJECTS.arrow if field.name != "source"])
    with tempfile.TemporaryDirectory(prefix="s3pipelines-index-") as folder:
        with table_errors(catalog, OBJECTS.name):
            added = write_sorted_files(
                rows, stored, snapshot.source_id, Path(folder), data_change=True
            )
        location = catalog.location.child("tables").child(OBJECTS.name)
        for action in added:
            place_file(catalog.access, Path(folder, action.path), location, action.path)
    with table_errors(catalog, OBJECTS.name):
        _refuse_if_overtaken(snapshot)
        snapshot.merged.create_write_transaction(
            list(added),
            "overwrite",
            snapshot.merged.schema(),
            partition_by=["source"],
            partition_filters=[("source", "=", snapshot.source_id)],
            commit_properties=_properties(snapshot, transactions),
            post_commithook_properties=NO_CLEANUP,
        )
        snapshot.merged.update_incremental()


def _refuse_if_overtaken(snapshot: Snapshot) -> None:
    """Such a commit does not look at what others have appended, as one of `write_deltalake` does.

    Between this look and the commit, our own writers are told apart by the transaction that each
    of their commits names, and whoever removes files by the files.
    """
    now = open_table(snapshot.catalog, OBJECTS)
    if set(files_of_source(now, snapshot.source_id)) != set(snapshot.merged_files):
        raise CommitFailedError(f"The rows of {snapshot.source_id!r} were changed meanwhile.")


def _properties(snapshot: Snapshot, transactions: Sequence[Transaction]) -> CommitProperties:
    return CommitProperties(
        custom_metadata={"s3pipelines.source": snapshot.source_id},
        app_transactions=list(transactions),
    )


def _merge(snapshot: Snapshot, comparison: Comparison, properties: CommitProperties) -> None:
    first, last = comparison.key_range()
    # The literal range lets Delta leave out the files that hold none of the keys.
    within = f"t.key >= {sql_text(first)} AND t.key <= {sql_text(last)}"
    values = {name: f"s.{name}" for name in OBJECTS.column_names}
    memory_bytes = snapshot.catalog.memory_limit_mb * 1024 * 1024
    (
        snapshot.merged.merge(
            comparison.merge_rows(),
            predicate=f"{source_predicate(snapshot.source_id, 't')} AND {within} AND t.key = s.key",
            source_alias="s",
            target_alias="t",
            writer_properties=WRITER,
            max_spill_size=max(memory_bytes, _MERGE_LEAST_BYTES),
            commit_properties=properties,
            post_commithook_properties=NO_CLEANUP,
        )
        .when_matched_delete("s.kind = 'deleted'")
        .when_matched_update(values)
        .when_not_matched_insert(values, "s.kind <> 'deleted'")
        .execute()
    )
