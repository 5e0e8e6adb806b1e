"""Whether a run may be requested now: never beside another one, never in haste after a failure.

Dagster drops a run key for ever once it was used, also when the run failed; so the key is new for
each request, and repeated failures are slowed down here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dagster import (
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunRecord,
    RunsFilter,
)
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import PARTITION_NAME_TAG

_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(hours=1)
# Of a source, the runs of all of its assets.
_REMEMBERED = 40


@dataclass(frozen=True)
class Materializing:
    """The runs that materialize an asset: those of its job, and those that people launch."""

    asset: str
    job: str

    def is_done_by(self, run: DagsterRun) -> bool:
        """Whether this run is one of them."""
        return run.job_name == self.job or AssetKey(self.asset) in (run.asset_selection or ())


def reason_to_wait(
    instance: DagsterInstance, what: Materializing, source_id: str, now: datetime
) -> str | None:
    """Why this should not be requested for this source now, or None."""
    of_source = {PARTITION_NAME_TAG: source_id}
    # Asked apart, however many runs came after it: it may have been queued for hours.
    under_way = instance.get_runs(RunsFilter(tags=of_source, statuses=NOT_FINISHED_STATUSES))
    if any(what.is_done_by(run) for run in under_way):
        return "a run is queued or running"
    found = instance.get_run_records(RunsFilter(tags=of_source), limit=_REMEMBERED)
    records = [record for record in found if what.is_done_by(record.dagster_run)]
    failures, last_end = _failures_in_a_row(instance, what, records)
    if failures == 0 or last_end is None:
        return None
    until = last_end + pause_after(failures)
    if now < until:
        return f"the last {failures} run(s) failed; tried again at {until:%H:%M:%S} UTC"
    return None


def pause_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: 30 s, 1 min, 2 min … 1 h."""
    return min(_FIRST_PAUSE * 2 ** (failures - 1), _LONGEST_PAUSE)


def _failures_in_a_row(
    instance: DagsterInstance, what: Materializing, records: Sequence[RunRecord]
) -> tuple[int, datetime | None]:
    """How many of the newest runs failed without a success between, and when the last ended.

    A run of several assets may have failed at a later one.
    """
    failures = 0
    last_end: datetime | None = None
    for record in records:
        run = record.dagster_run
        if run.status is not DagsterRunStatus.FAILURE or _materialized(instance, what, run.run_id):
            break
        failures += 1
        if last_end is None and record.end_time is not None:
            last_end = datetime.fromtimestamp(record.end_time, UTC)
    return failures, last_end


def _materialized(instance: DagsterInstance, what: Materializing, run_id: str) -> bool:
    events = instance.all_logs(run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
    made = (event.asset_materialization for event in events)
    return any(one is not None and one.asset_key == AssetKey(what.asset) for one in made)
