"""Version ids in the index: filled in where a source asks for them, and removed where no longer.

Neither is a change of an object: nothing of it is in the ledger, and the objects stay as old in the
index as they are. Whoever is killed before it is done leaves it to the next full listing.
"""

from datetime import UTC, datetime

import duckdb

from s3pipelines.core.catalog.duck import empty_relation
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.detection.differences import LACKING_VERSION_IDS
from s3pipelines.core.index.commit import Written, commit
from s3pipelines.core.index.comparison import Comparison
from s3pipelines.core.index.snapshot import Snapshot
from s3pipelines.core.index.spool import Spool
from s3pipelines.core.index.turns import Turn
from s3pipelines.core.index.upkeep import clear_if_folded, take_in
from s3pipelines.core.sources.source import Source


def keep_version_ids(
    connection: duckdb.DuckDBPyConnection,
    turn: Turn,
    source: Source,
    spool: Spool,
    doubtful: str,
) -> Written:
    """Let the index have the version ids that a listing tells, or none, as the source asks for.

    Args:
        connection: Made by `core.catalog.duck.connect`.
        turn: The writer's, who has applied the listing and merged the tail.
        source: The source.
        spool: The listing.
        doubtful: A query for keys of which the index may know more than the listing.

    Raises:
        CommitFailedError: The source's rows were changed since the snapshot was opened.
        NotFound: The source was deleted, or registered anew.
        PreconditionFailed: Somebody else took the lease over.
    """
    snapshot = turn.snapshot
    if not _any(connection, snapshot, "NULL" if source.versions else "NOT NULL"):
        return "nothing"
    turn.confirm()
    # In place of the merged rows, a reader would go on to see those of the tail.
    clear_if_folded(connection, snapshot)
    if source.versions:
        return _filled_in(connection, snapshot, source, spool, doubtful)
    nothing = f"SELECT *, true AS settled FROM ({empty_relation(OBJECTS)})"
    comparison = Comparison(connection, source, datetime.now(UTC), listed=nothing, indexed=nothing)
    mark = snapshot.transaction("ledger", snapshot.applied)
    commit("replacement", snapshot, comparison, [mark])
    return "replacement"


def _filled_in(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    source: Source,
    spool: Spool,
    doubtful: str,
) -> Written:
    comparison = Comparison(
        connection,
        source,
        datetime.now(UTC),
        listed=spool.query,
        indexed=f"FROM ({snapshot.merged_rows}) WHERE version_id IS NULL",
        slices=spool.slices(),
        rule=LACKING_VERSION_IDS,
    )
    comparison.leave_out(doubtful)
    return take_in(connection, snapshot, comparison, snapshot.applied, merge=True)


def _any(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, which: str) -> bool:
    query = f"SELECT 1 FROM ({snapshot.merged_rows}) WHERE version_id IS {which} LIMIT 1"
    return bool(connection.execute(query).fetchall())
