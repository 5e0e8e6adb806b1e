"""One look at all sources within a time budget: the work of one tick of the listing sensor."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.detection.passes import Passes, SourcePass
from s3pipelines.core.detection.slices import Slice, compare_slice
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.sources.guards import refuse_own_output
from s3pipelines.core.sources.refreshes import last_refresh
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sources.turns import in_turn


@dataclass(frozen=True)
class Finding:
    """A source whose pass ended and showed that its index is out of date."""

    source: Source
    ended: SourcePass


@dataclass(frozen=True)
class Look:
    """What one look showed.

    Attributes:
        passes: Where every pass stands now.
        findings: Sources with something to index.
        problems: A line for each source that could not be listed; its pass stands where it stood.
    """

    passes: Passes
    findings: tuple[Finding, ...]
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
        catalog: Where the index is.
        sources: All registered sources.
        passes: Where the passes stand.
        budget_s: Seconds after which no further request is started.
        clock: The monotonic clock, in seconds.
    """
    deadline = clock() + budget_s
    by_id = {source.id: source for source in sources}
    passes = passes.only(set(by_id))
    findings: list[Finding] = []
    problems: list[str] = []
    order = in_turn(by_id, passes.next_source)
    with connect(catalog) as connection:
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
            except S3PipelinesError as error:
                problems.append(f"{source_id}: {error}")
                continue
            passes, finding = after_slice(passes, source, current, shown)
            if finding and not _refreshed_since(catalog, finding):
                findings.append(finding)
    return Look(passes, tuple(findings), tuple(problems))


def after_slice(
    passes: Passes, source: Source, current: SourcePass, shown: Slice
) -> tuple[Passes, Finding | None]:
    """Where the passes stand after a slice, and what it says if it was the last one."""
    advanced = current.advanced(shown.after or "", shown.differing)
    if shown.after is not None and not shown.never_indexed:
        return passes.with_pass(source.id, advanced), None
    finding = Finding(source, advanced) if advanced.differing else None
    return passes.with_pass(source.id, None), finding


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
