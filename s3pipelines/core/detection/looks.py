"""One look at all sources within a time budget: the work of one tick of the listing sensor."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import CHANGES
from s3pipelines.core.catalog.tables import find_table
from s3pipelines.core.detection.ledger import append_hints, load_observations, new_row
from s3pipelines.core.detection.passes import Passes, SourcePass
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.detection.slices import MOST_HINTS, Slice, compare_slice
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.sources.guards import refuse_own_output
from s3pipelines.core.sources.refreshes import last_refresh
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sources.turns import in_turn

# What was listed is compared and written down within the rest of the time.
_LISTING_SHARE = 0.6
_Hints = list[tuple[Source, list[dict[str, Any]]]]


@dataclass(frozen=True)
class Finding:
    """A source that is to be listed in full: it was never indexed, or too much differs."""

    source: Source
    ended: SourcePass


@dataclass(frozen=True)
class Look:
    """What one look showed.

    Attributes:
        passes: Where every pass stands now.
        findings: Sources that are to be listed in full.
        hinted: By source, how many objects that differ from the index are in the ledger now.
        problems: A line for each source that could not be listed; its pass stands where it stood.
    """

    passes: Passes
    findings: tuple[Finding, ...]
    hinted: dict[str, int]
    problems: tuple[str, ...]


def look(
    catalog: Catalog,
    sources: list[Source],
    passes: Passes,
    budget_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Look:
    """Advance the passes of as many sources as the time allows, one slice each.

    Args:
        catalog: Where the index and the ledger are.
        sources: All registered sources.
        passes: Where the passes stand.
        budget_s: How many seconds all of it may take.
        clock: The monotonic clock, in seconds.

    Raises:
        StorageError: The ledger cannot be written; nothing of this look counts.
    """
    deadline = clock() + budget_s * _LISTING_SHARE
    by_id = {source.id: source for source in sources}
    passes = passes.only(set(by_id))
    findings: list[Finding] = []
    problems: list[str] = []
    hints: _Hints = []
    order = in_turn(by_id, passes.next_source)
    with connect(catalog, delta=True) as connection:
        for position, source_id in enumerate(order):
            if clock() > deadline:
                passes = passes.starting_next_at(source_id)
                break
            # An equal share of what is left: one huge source must not use up the whole tick.
            share = (deadline - clock()) / (len(order) - position)
            source = by_id[source_id]
            current = passes.of(source_id, source.generation)
            try:
                shown = _slice(catalog, connection, source, current, clock() + share)
                new = _not_yet_hinted(catalog, connection, source, shown)
            except S3PipelinesError as error:
                problems.append(f"{source_id}: {error}")
                continue
            passes, finding = after_slice(passes, source, current, shown)
            if finding is None:
                hints.append((source, new))
            elif not _refreshed_since(catalog, finding):
                findings.append(finding)
    append_hints(catalog, hints, datetime.now(UTC))
    hinted = {source.id: len(rows) for source, rows in hints if rows}
    return Look(passes, tuple(findings), hinted, tuple(problems))


def after_slice(
    passes: Passes, source: Source, current: SourcePass, shown: Slice
) -> tuple[Passes, Finding | None]:
    """Where the passes stand after a slice, and whether the source is to be listed in full."""
    advanced = current.advanced(shown.after or "", shown.differing)
    if shown.never_indexed or advanced.differing > MOST_HINTS:
        return passes.with_pass(source.id, None), Finding(source, advanced)
    return passes.with_pass(source.id, None if shown.after is None else advanced), None


def _refreshed_since(catalog: Catalog, finding: Finding) -> bool:
    """A refresh that began after the pass did has seen what the pass saw; the next pass tells."""
    record = last_refresh(catalog, finding.source)
    return record is not None and record.listed_at >= finding.ended.started_at


def _slice(
    catalog: Catalog,
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    current: SourcePass,
    deadline: float,
) -> Slice:
    refuse_own_output(catalog, source)
    return compare_slice(catalog, connection, source, current.after, deadline)


def _not_yet_hinted(
    catalog: Catalog, connection: duckdb.DuckDBPyConnection, source: Source, shown: Slice
) -> list[dict[str, Any]]:
    """Rows of the ledger for what differs, without what waits there to be asked about anyway."""
    waiting: set[str] = set()
    pending = read_pending(catalog, source) if shown.hints else None
    ledger = find_table(catalog, CHANGES) if pending else None
    if pending is not None and ledger is not None:
        if pending.hints > MOST_HINTS:
            return []  # What is not among them is found by the next pass.
        load_observations(connection, catalog, ledger, source.id, pending.first)
        found = connection.execute("SELECT key FROM observations WHERE kind = 'hinted'").fetchall()
        waiting = {key for (key,) in found}
    return [_row(source, hint) for hint in shown.hints if hint["key"] not in waiting]


def _row(source: Source, hint: dict[str, Any]) -> dict[str, Any]:
    seen = {k: v for k, v in hint.items() if k not in ("key", "kind")}
    return new_row(
        source.id,
        hint["key"],
        "hinted",
        id=uuid.uuid4().hex,
        observed_at=datetime.now(UTC),
        observed_by="listing",
        note=f"A listing shows it {hint['kind']}.",
        **seen,
    )
