"""Writing the difference: a merge of the changed rows, or the source's whole partition anew."""

from typing import Literal

from deltalake import CommitProperties, DeltaTable, write_deltalake

from s3pipelines.core.catalog.duck import sql_text
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import (
    NO_CLEANUP,
    TARGET_FILE_BYTES,
    WRITER,
    source_predicate,
)
from s3pipelines.core.index.changes import Comparison

Written = Literal["nothing", "merge", "replacement"]

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
    """Which way to bring `indexed` rows up to date when `changed` objects differ."""
    if changed == 0:
        return "nothing"
    few = changed <= min(indexed * MERGE_UP_TO, MERGE_MOST_ROWS)
    return "merge" if few else "replacement"


def commit(
    way: Written, table: DeltaTable, comparison: Comparison, source_id: str, memory_bytes: int
) -> None:
    """Write in one Delta commit, through the handle that was opened before the listing began.

    Raises:
        CommitFailedError: The source's rows were changed since; nothing was written.
    """
    properties = CommitProperties(custom_metadata={"s3pipelines.source": source_id})
    if way == "merge":
        _merge(table, comparison, source_id, memory_bytes, properties)
    elif way == "replacement":
        _replace(table, comparison, source_id, properties)


def _merge(
    table: DeltaTable,
    comparison: Comparison,
    source_id: str,
    memory_bytes: int,
    properties: CommitProperties,
) -> None:
    first, last = comparison.key_range()
    # The literal range lets Delta leave out the files that hold none of the keys.
    within = f"t.key >= {sql_text(first)} AND t.key <= {sql_text(last)}"
    values = {name: f"s.{name}" for name in OBJECTS.column_names}
    (
        table.merge(
            comparison.merge_rows(),
            predicate=f"{source_predicate(source_id, 't')} AND {within} AND t.key = s.key",
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


def _replace(
    table: DeltaTable, comparison: Comparison, source_id: str, properties: CommitProperties
) -> None:
    write_deltalake(
        table,
        comparison.all_rows(),
        mode="overwrite",
        predicate=source_predicate(source_id),
        target_file_size=TARGET_FILE_BYTES,
        writer_properties=WRITER,
        commit_properties=properties,
        post_commithook_properties=NO_CLEANUP,
    )
