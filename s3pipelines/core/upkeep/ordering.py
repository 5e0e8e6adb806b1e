"""Putting the files of one source in one table in order."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import CHANGES, OBJECTS, OBJECTS_TAIL, TableSchema
from s3pipelines.core.catalog.tables import compact, ensure_table, table_errors
from s3pipelines.core.index.turns import Turn, take_turn
from s3pipelines.core.index.upkeep import clear_if_folded, fold_if_due
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.upkeep.files import Place, with_spans
from s3pipelines.core.upkeep.layout import SMALL_FILE_BYTES, worth_rewriting
from s3pipelines.core.upkeep.report import Kept
from s3pipelines.core.upkeep.rewriting import rewrite

# Of the failed tries of one state with one outcome so many stay, as what is tried again, and when,
# depends on how often it failed: three times at most by the same libraries, and after eleven
# refusals of S3 a day is the pause (`core.imaging.missing`).
_KEPT_ALIKE = 16


def sort_index(catalog: Catalog, source: Source, wait_s: float) -> list[Kept]:
    """Merge the tail of a source if it is worth it, and sort its files, in the writer's turn.

    Raises:
        Busy: Another writer has its turn, and went on for `wait_s` seconds.
        NotFound: The source was deleted.
        StorageError: The catalog cannot be written.
    """
    ensure_table(catalog, OBJECTS)
    ensure_table(catalog, CHANGES)
    tail, index = Place(catalog, OBJECTS_TAIL, source.id), Place(catalog, OBJECTS, source.id)

    def work(turn: Turn, connection: duckdb.DuckDBPyConnection) -> list[Kept]:
        turn.confirm()

        def fold() -> int:
            clear_if_folded(connection, turn.snapshot)
            fold_if_due(connection, turn.snapshot, source)
            return _compact(tail)

        def sort() -> int:
            return _sort(index, confirm=turn.confirm)

        folded = [_measured(tail, fold)] if turn.snapshot.tail is not None else []
        return [*folded, _measured(index, sort)]

    return take_turn(catalog, source, None, lambda _: None, work, wait_s=wait_s)


def sort_attempts(catalog: Catalog, schema: TableSchema, source: Source, keep: timedelta) -> Kept:
    """Sort the files of a source in a table that is only appended to; appends go on meanwhile.

    Of the files that are written anew, tries that a later one has overtaken are left out once they
    are older than `keep`, but for those that later decisions look at.

    Raises:
        Busy: Somebody else did the same.
        StorageError: The catalog cannot be written.
    """
    place = Place(catalog, schema, source.id)

    def work() -> int:
        order_by = f"key, {schema.latest_by}"
        return _sort(place, order_by=order_by, kept=_still_needed(schema, keep))

    return _measured(place, work)


def compact_table(catalog: Catalog, schema: TableSchema, source_id: str) -> Kept:
    """Put the small files of a source together; appends go on meanwhile.

    Args:
        catalog: Where the table is.
        schema: Its schema.
        source_id: The source; empty in a table without sources.

    Raises:
        CommitFailedError: Somebody else did the same.
        StorageError: The catalog cannot be written.
    """
    place = Place(catalog, schema, source_id)
    return _measured(place, lambda: _compact(place))


def _still_needed(schema: TableSchema, keep: timedelta) -> str:
    at, identity = schema.latest_by, ", ".join(schema.identity)
    since = f"TIMESTAMPTZ {sql_text((datetime.now(UTC) - keep).isoformat())}"
    return (
        f"QUALIFY rank() OVER (PARTITION BY {identity} ORDER BY {at} DESC) = 1 OR {at} >= {since} "
        f"OR row_number() OVER (PARTITION BY {identity}, reader_version, error "
        f"ORDER BY {at} DESC) <= {_KEPT_ALIKE}"
    )


def _measured(place: Place, work: Callable[[], int]) -> Kept:
    """Do `work`, which tells how many files it wrote anew, and compare before and after."""
    started = time.monotonic()
    before = place.files()
    rewritten = work()
    after = place.files()
    return Kept(
        place.schema.name,
        place.source_id,
        files_before=len(before),
        files_after=len(after),
        bytes_before=sum(file.size_bytes for file in before),
        bytes_after=sum(file.size_bytes for file in after),
        rewritten_files=rewritten,
        duration_s=time.monotonic() - started,
    )


def _sort(
    place: Place,
    *,
    order_by: str = "key",
    kept: str = "",
    confirm: Callable[[], None] = lambda: None,
) -> int:
    # Half of the memory: what is written needs as much beside DuckDB.
    half = replace(place.catalog, memory_limit_mb=max(64, place.catalog.memory_limit_mb // 2))
    with connect(half) as connection:
        runs = worth_rewriting(with_spans(connection, place, place.files()))
        for run in runs:
            rewrite(connection, place, run, order_by=order_by, kept=kept, confirm=confirm)
    return sum(len(run) for run in runs)


def _compact(place: Place) -> int:
    table = place.open()
    small = [file for file in place.files(table) if file.size_bytes < SMALL_FILE_BYTES]
    if len(small) < 2:
        return 0
    with table_errors(place.catalog, place.schema.name):
        return compact(table, place.source_id)
