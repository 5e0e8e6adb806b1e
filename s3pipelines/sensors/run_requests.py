"""Whether a run may be requested now: never beside another one, never in haste after a failure.

Dagster drops a run key for ever once it was used, also when the run failed; so the key is new for
each pass, and repeated failures are slowed down here.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunRequest, RunsFilter
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import PARTITION_NAME_TAG

from s3pipelines.core.detection.looks import Finding
from s3pipelines.jobs.refresh_index import INDEX_SOURCE_TAG

_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(hours=1)
_REMEMBERED = 10


def refresh_request(finding: Finding, pass_key: str) -> RunRequest:
    """The request for one refresh of the source that was found out of date."""
    source = finding.source
    return RunRequest(
        run_key=f"{source.id}/{source.generation}/{pass_key}",
        partition_key=source.id,
        tags={INDEX_SOURCE_TAG: source.id},
    )


def reason_to_wait(instance: DagsterInstance, source_id: str, now: datetime) -> str | None:
    """Why no refresh of this source should be requested now, or None."""
    records = instance.get_run_records(
        RunsFilter(tags={PARTITION_NAME_TAG: source_id}), limit=_REMEMBERED
    )
    if any(record.dagster_run.status in NOT_FINISHED_STATUSES for record in records):
        return "a run is queued or running"
    failures, last_end = _failures_in_a_row(records)
    if failures == 0 or last_end is None:
        return None
    until = last_end + pause_after(failures)
    if now < until:
        return f"the last {failures} run(s) failed; tried again at {until:%H:%M:%S} UTC"
    return None


def pause_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: 30 s, 1 min, 2 min … 1 h."""
    return min(_FIRST_PAUSE * 2 ** (failures - 1), _LONGEST_PAUSE)


def _failures_in_a_row(records: Sequence[RunRecord]) -> tuple[int, datetime | None]:
    """How many of the newest runs failed without a success between, and when the last ended."""
    failures = 0
    last_end: datetime | None = None
    for record in records:
        if record.dagster_run.status is not DagsterRunStatus.FAILURE:
            break
        failures += 1
        if last_end is None and record.end_time is not None:
            last_end = datetime.fromtimestamp(record.end_time, UTC)
    return failures, last_end
