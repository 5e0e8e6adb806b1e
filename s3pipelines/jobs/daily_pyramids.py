"""`daily_pyramids`: once a day, the pyramids that sources lack; one run per source with work."""

import time

from dagster import (
    DefaultScheduleStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.imaging.missing import count_missing
from s3pipelines.core.imaging.reader import reader_version
from s3pipelines.core.imaging.wishes import kinds_of, work_on
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.core.sources.source import Source
from s3pipelines.jobs.derive_images import make_pyramids
from s3pipelines.jobs.derive_requests import derive_request
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.settings import Settings

# Of the 60 s that a tick may take. A source that was not looked at has a run, which costs little
# where there is nothing to do.
_BUDGET_S = 40
# Until nothing is missing: the next tick is tomorrow.
_CONFIG = {"patient": True, "until_done": True}


def build_daily_pyramids(settings: Settings) -> ScheduleDefinition:
    """The schedule, at the time of the settings."""

    @schedule(
        job=make_pyramids,
        name="daily_pyramids",
        cron_schedule=settings.pyramids_schedule,
        execution_timezone=settings.pyramids_timezone,
        default_status=DefaultScheduleStatus.RUNNING,
        description="Make the pyramids that sources ask for (--derive pyramids) and lack: one run "
        "per source with something to do.",
    )
    def daily_pyramids(
        context: ScheduleEvaluationContext, catalog: CatalogResource
    ) -> list[RunRequest] | SkipReason:
        where = catalog.get()
        try:
            registry = read_registry(where)
        except S3PipelinesError as error:
            return SkipReason(str(error))
        asking = [source for source in registry.sources if "pyramid" in kinds_of(source)]
        wanted, notes = _look(where, asking)
        notes += [str(error) for error in registry.unreadable.values()]
        for note in notes:
            context.log.info(note)
        if not wanted:
            return SkipReason("; ".join(notes) or "No source asks for pyramids.")
        moment = f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}"
        return [derive_request(source, "pyramid", moment, _CONFIG) for source in wanted]

    return daily_pyramids


def _look(catalog: Catalog, sources: list[Source]) -> tuple[list[Source], list[str]]:
    """The sources that lack pyramids, and why the others have no run."""
    deadline = time.monotonic() + _BUDGET_S
    wanted: list[Source] = []
    notes: list[str] = []
    for source in sources:
        if time.monotonic() > deadline:
            wanted.append(source)
            continue
        try:
            work = work_on(source, "pyramid", patient=True)
            objects = count_missing(catalog, work, reader_version())
        except S3PipelinesError as error:
            notes.append(f"{source.id}: {error}")
            continue
        if objects:
            wanted.append(source)
        else:
            notes.append(f"{source.id}: every image has its pyramid")
    return wanted, notes
