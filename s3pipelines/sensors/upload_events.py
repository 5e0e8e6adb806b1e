"""`upload_events`: takes S3's notifications from a queue, and requests what they lead to."""

from dagster import (
    AssetMaterialization,
    DefaultSensorStatus,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from s3pipelines.core.detection.mailboxes import Collected, collect
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.instance.partitions import repair_partitions
from s3pipelines.jobs.process_uploads import process_uploads
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.sensors.batches import Requests, request_batches
from s3pipelines.settings import Settings

_NOTHING = "No change is waiting."


def build_upload_events(settings: Settings) -> SensorDefinition:
    """The sensor, with the queue, the interval and the time budget of the settings."""

    @sensor(
        name="upload_events",
        job=process_uploads,
        minimum_interval_seconds=settings.events_interval_s,
        default_status=DefaultSensorStatus.RUNNING,
        description="Moves S3's notifications from the queue, and notes from inboxes, into the "
        "ledger, and requests one run of process_uploads per source with changes.",
    )
    def upload_events(
        context: SensorEvaluationContext, catalog: CatalogResource
    ) -> SensorResult | SkipReason:
        where = catalog.get()
        try:
            registry = read_registry(where)
            repair_partitions(context.instance, registry.ids)
            budget_s, queue = settings.events_budget_s, settings.upload_queue_url
            collected = collect(where, queue, registry.sources, budget_s)
            requests = request_batches(
                context.instance,
                where,
                registry.sources,
                least_age_s=settings.batch_age_s,
                least_changes=settings.batch_changes,
            )
        except S3PipelinesError as error:
            return SkipReason(str(error))
        return _translate(context, collected, requests)

    return upload_events


def _translate(
    context: SensorEvaluationContext, collected: Collected, requests: Requests
) -> SensorResult:
    for problem in collected.problems:
        context.log.warning(problem)
    for name, drained in collected.by_mailbox.items():
        if drained.messages:
            context.log.info(
                "%s: %d messages, %d of them not understood; %d changes of no source, %d doubled",
                name,
                drained.messages,
                drained.rejected,
                drained.outside,
                drained.duplicates,
            )
    outside = [f"{collected.outside} changes of no source"] if collected.outside else []
    said = "; ".join([*collected.problems, *requests.notes, *outside]) or _NOTHING
    queue = {} if collected.left is None else {"queue_depth": collected.left}
    return SensorResult(
        run_requests=requests.runs,
        skip_reason=None if requests.runs else said,
        asset_events=[
            AssetMaterialization(
                "uploads", partition=source_id, metadata={"events": number, **queue}
            )
            for source_id, number in collected.hints.items()
        ],
    )
