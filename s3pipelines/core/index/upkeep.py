"""Where changes of the index are written: into the small table whole, or into a tail beside it.

A merge writes each file anew that holds a changed key: a thousand changes scattered over ten
million rows would write everything anew. So changes of a large source are appended to
`objects_tail`, which readers of the index read as well (`core.catalog.views.with_tail`), and
merged when enough of them have come together, or by the nightly listing.
"""

from contextlib import suppress
from datetime import UTC, datetime

import duckdb
from deltalake.exceptions import CommitFailedError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import CHANGES, OBJECTS_TAIL
from s3pipelines.core.catalog.tables import compact, files_of_source, open_table, table_errors
from s3pipelines.core.detection.differences import differences_of
from s3pipelines.core.index.commit import MERGE_MOST_ROWS, Written, cheaper_way, commit
from s3pipelines.core.index.comparison import Comparison
from s3pipelines.core.index.snapshot import Snapshot, clear_tail, merged_bytes
from s3pipelines.core.sources.source import Source

# Up to so much, some 11,000 objects, the rows of a source are written anew at each change: one
# small sorted file, which any reader of the table `objects` sees at once.
SMALL_BYTES = 512 * 1024
# The tail is merged at this share of the rows, or at most at so many rows.
_FOLD_SHARE = 0.01
_FOLD_LEAST_ROWS = 1000
# A tail, and a ledger, of more small files than this is slow to read.
_MOST_TAIL_FILES = 16
_MOST_LEDGER_FILES = 64


def take_in(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    comparison: Comparison,
    position: int,
    *,
    merge: bool = False,
) -> Written:
    """Write the differences of a comparison, whichever way is cheap.

    Args:
        connection: The connection of the comparison.
        snapshot: The index that was compared; its handles are at the new version afterwards.
        comparison: What differs.
        position: Version of the ledger that the index has applied then.
        merge: Merge them at once, if there is no tail to go before them.

    Raises:
        CommitFailedError: The source's rows were changed since the snapshot was opened.
    """
    changed = sum(comparison.counts().values())
    if changed == 0:
        return "nothing"
    clear_if_folded(connection, snapshot)
    way: Written = "tail"
    if not snapshot.tail_files:
        indexed = _count(connection, snapshot.merged_rows)
        if merged_bytes(snapshot) <= SMALL_BYTES:
            way = "replacement"
        elif merge or changed >= _worth_a_merge(indexed):
            way = cheaper_way(changed, indexed)
    mark = snapshot.transaction("ledger", position)
    commit(way, snapshot, comparison, [mark], position)
    return way


def fold_if_due(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, source: Source
) -> Written:
    """Merge the tail once there is enough of it, or keep it in few files.

    Raises:
        CommitFailedError: The source's rows were changed since the snapshot was opened.
    """
    files = snapshot.tail_files
    if not files or _is_folded(connection, snapshot):
        return "nothing"
    waiting = _count(connection, snapshot.tail_rows)
    indexed = _count(connection, snapshot.merged_rows)
    if waiting >= _worth_a_merge(indexed):
        return fold(connection, snapshot, source)
    if len(files) > _MOST_TAIL_FILES and snapshot.tail is not None:
        with table_errors(snapshot.catalog, OBJECTS_TAIL.name):
            compact(snapshot.tail, source.id)
    return "nothing"


def fold(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, source: Source) -> Written:
    """Merge the tail of a source into `objects`.

    The tail stays until the next change: its rows say the same as the merged ones, so a reader
    that has opened the one before, and opens the other after, misses nothing.

    Raises:
        CommitFailedError: The source's rows were changed since the snapshot was opened.
    """
    if not snapshot.tail_files or _is_folded(connection, snapshot):
        return "nothing"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE tail AS {snapshot.tail_rows}")
    comparison = Comparison(
        connection,
        source,
        datetime.now(UTC),
        listed="SELECT key, size_bytes, etag, last_modified, storage_class, "
        "version_id, true AS settled FROM tail WHERE NOT gone",
        indexed=f"FROM ({snapshot.merged_rows}) SEMI JOIN tail USING (key)",
        rule=f"FROM ({differences_of(source.versions)}) "
        "JOIN (SELECT key, indexed_at FROM tail) USING (key)",
    )
    changed = sum(comparison.counts().values())
    way = cheaper_way(changed, _count(connection, snapshot.merged_rows))
    if way == "nothing":  # What was new in the tail is gone again.
        clear_tail(snapshot)
        return way
    marks = [
        snapshot.transaction("ledger", snapshot.applied),
        snapshot.transaction("tail", _last_position(connection, snapshot)),
    ]
    commit(way, snapshot, comparison, marks)
    return way


def clear_if_folded(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    """Remove a tail that was merged by an earlier run; reading it costs, and says nothing new.

    Raises:
        CommitFailedError: Somebody else wrote to it.
    """
    if snapshot.tail_files and _is_folded(connection, snapshot):
        clear_tail(snapshot)


def compact_ledger(catalog: Catalog, source: Source) -> None:
    """Put the many small files of a source's ledger together; concurrent appends go on.

    Raises:
        StorageError: The ledger cannot be written.
    """
    ledger = open_table(catalog, CHANGES)
    # A conflict: somebody else is at it.
    with suppress(CommitFailedError), table_errors(catalog, CHANGES.name):
        if len(files_of_source(ledger, source.id)) > _MOST_LEDGER_FILES:
            compact(ledger, source.id)


def _worth_a_merge(indexed: int) -> float:
    return min(max(indexed * _FOLD_SHARE, _FOLD_LEAST_ROWS), MERGE_MOST_ROWS)


def _is_folded(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> bool:
    return _last_position(connection, snapshot) <= snapshot.folded


def _last_position(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> int:
    query = f"SELECT coalesce(max(position), -1) FROM ({snapshot.tail_rows})"
    return connection.execute(query).fetchall()[0][0]


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return connection.execute(f"SELECT count(*) FROM ({query})").fetchall()[0][0]
