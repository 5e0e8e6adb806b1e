"""Applying the ledger: what it hints at is confirmed by S3, and what changed goes into the index.

Each change is applied exactly once. The answers of S3 are in the ledger before the index is
touched, and the commit that brings them into the index holds, as a Delta transaction, the version
of the ledger that it has applied. Who is killed in between leaves one of the two states, and the
next one goes on from there.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import CHANGES, OBJECTS
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.index.summary import Group, summarize
from s3pipelines.core.index.turns import Applied, Turn, take_turn
from s3pipelines.core.index.upkeep import compact_ledger, fold_if_due
from s3pipelines.core.sources.guards import refuse_own_output
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sources.source import Source


@dataclass(frozen=True)
class Batch:
    """One application of the ledger to the index of a source.

    Attributes:
        table_version: Version of the table `objects` afterwards.
        groups: What the index holds now, by extension and storage class.
    """

    source: Source
    batch_id: str
    applied: Applied
    table_version: int
    duration_s: float
    groups: tuple[Group, ...]


def apply_changes(
    catalog: Catalog,
    source_id: str,
    *,
    batch_id: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Batch:
    """Bring what the ledger has for a source into its index, without listing.

    One writer per source works at a time. It may be killed anywhere.

    Args:
        catalog: Where the registry and the tables are.
        source_id: A registered source.
        batch_id: Names the batch in the ledger; made up by default.
        say: Is told of the steps, a line each.

    Raises:
        NotFound: There is no such source (any more).
        InvalidInput: The source overlaps with what the project writes.
        Busy: Another process is writing its index, and went on for ten minutes.
        StorageError: The source gives no answers, or the catalog cannot be written.
    """
    started = time.monotonic()
    source = get_source(catalog, source_id)
    refuse_own_output(catalog, source)
    ensure_table(catalog, OBJECTS)
    ensure_table(catalog, CHANGES)

    def work(turn: Turn, connection: duckdb.DuckDBPyConnection) -> Batch:
        applied = turn.apply_pending(connection)
        turn.confirm()
        turn.settle()
        fold_if_due(connection, turn.snapshot, source)
        compact_ledger(catalog, source)
        return Batch(
            source=source,
            batch_id=turn.batch_id,
            applied=applied,
            table_version=turn.snapshot.merged.version(),
            duration_s=time.monotonic() - started,
            groups=summarize(connection, turn.snapshot.rows),
        )

    return take_turn(catalog, source, batch_id, say, work)
