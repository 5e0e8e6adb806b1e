"""Requests for `process_uploads`: one run per source with ripe changes in the ledger."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from dagster import AssetKey, DagsterInstance, RunRequest

from s3pipelines.assets.deriving import ASSETS
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection.pending import next_attempt, read_pending
from s3pipelines.core.imaging.wishes import kinds_on_arrival
from s3pipelines.core.sources.source import Source
from s3pipelines.jobs.process_uploads import process_uploads
from s3pipelines.jobs.refresh_index import INDEX_SOURCE_TAG
from s3pipelines.sensors.run_requests import Materializing, reason_to_wait

APPLIES = Materializing("object_index", process_uploads.name)
# Before backfills and nightly listings: somebody has just uploaded something.
_PRIORITY = "1"
_READS_IN_FLIGHT = 16


@dataclass(frozen=True)
class Requests:
    """What is requested, and why something is not."""

    runs: list[RunRequest]
    notes: list[str]


def request_batches(
    instance: DagsterInstance,
    catalog: Catalog,
    sources: Iterable[Source],
    *,
    least_age_s: float = 0,
    least_changes: int = 1,
) -> Requests:
    """One run per source whose changes have waited, or piled up, for long enough.

    Args:
        instance: Knows what is queued, running, or failed a moment ago.
        catalog: Where the ledger is.
        sources: The sources that may be requested.
        least_age_s: How long the oldest change must have waited, in seconds, ...
        least_changes: ... unless there are so many.

    Raises:
        StorageError: The catalog cannot be used.
    """
    now = datetime.now(UTC)
    requests = Requests([], [])
    listed = list(sources)
    with ThreadPoolExecutor(_READS_IN_FLIGHT) as threads:
        read = list(threads.map(lambda source: read_pending(catalog, source), listed))
    for source, pending in zip(listed, read, strict=True):
        if not pending or not pending.is_ripe(now, least_age_s, least_changes):
            continue
        if why := reason_to_wait(instance, APPLIES, source.id, now):
            requests.notes.append(f"{source.id}: {why}")
        elif counted := next_attempt(catalog, source, now):
            batch = f"{source.id}/{source.generation}/{counted.last}"
            requests.runs.append(batch_request(source, batch, attempt=counted.attempt))
    return requests


def batch_request(
    source: Source, batch: str, *, attempt: int = 1, full: bool = False
) -> RunRequest:
    """The run that takes a batch in, and derives on arrival what the source wants then.

    A listing in full is no arrival: what is missing then is the work of `missing_derivatives`.
    """
    wished = [ASSETS[kind] for kind in kinds_on_arrival(source)]
    wanted = [] if full else wished
    return RunRequest(
        run_key=f"{batch}/{attempt}",
        job_name=process_uploads.name,
        partition_key=source.id,
        asset_selection=[AssetKey(name) for name in ("object_index", *wanted)],
        run_config=_config(wanted, batch, full),
        tags={INDEX_SOURCE_TAG: source.id, "dagster/priority": _PRIORITY},
    )


def _config(wanted: Sequence[str], batch_id: str, full: bool) -> dict[str, object]:
    index = {"object_index": {"config": {"batch": batch_id, "full": full}}}
    derive = {name: {"config": {"batch": batch_id, "patient": True}} for name in wanted}
    return {"ops": {**index, **derive}}
