"""`upload_listing`: notices new, overwritten and deleted objects by listing, slice by slice."""

from datetime import UTC, datetime

from dagster import (
    AssetMaterialization,
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from s3pipelines.core.detection.looks import Finding, Look, look
from s3pipelines.core.detection.passes import Passes
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.instance.partitions import repair_partitions
from s3pipelines.jobs.refresh_index import INDEX_SOURCE_TAG, refresh_index
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.sensors.run_requests import Materializing, reason_to_wait
from s3pipelines.settings import Settings

_REFRESHES = Materializing("object_index", refresh_index.name)


def build_upload_listing(settings: Settings) -> SensorDefinition:
    """The sensor, with the interval and the time budget of the settings."""

    @sensor(
        name="upload_listing",
        job=refresh_index,
        minimum_interval_seconds=settings.listing_interval_s,
        default_status=DefaultSensorStatus.RUNNING,
        description="Compares a slice of each source's listing with the index at every tick, and "
        "at the end of a pass requests one refresh of each source that differs.",
    )
    def upload_listing(
        context: SensorEvaluationContext, catalog: CatalogResource
    ) -> SensorResult | SkipReason:
        where = catalog.get()
        try:
            registry = read_registry(where)
        except S3PipelinesError as error:
            return SkipReason(str(error))
        # Not by requests in the result: Dagster checks run requests before it applies those.
        repair_partitions(context.instance, registry.ids)
        passes = Passes.from_cursor(context.cursor)
        shown = look(where, registry.sources, passes, settings.listing_budget_s)
        damaged = [str(error) for error in registry.unreadable.values()]
        return _translate(context, shown, [*damaged, *shown.problems])

    return upload_listing


def _translate(context: SensorEvaluationContext, shown: Look, problems: list[str]) -> SensorResult:
    """What was found as requests, and what stands in their way as a reason to skip."""
    now = datetime.now(UTC)
    waiting = {
        finding.source.id: reason_to_wait(context.instance, _REFRESHES, finding.source.id, now)
        for finding in shown.findings
    }
    ready = [finding for finding in shown.findings if waiting[finding.source.id] is None]
    notes = [*problems, *(f"{key}: {why}" for key, why in waiting.items() if why)]
    for problem in problems:
        context.log.warning(problem)
    return SensorResult(
        run_requests=[_request(finding) for finding in ready],
        skip_reason=None if ready else ("; ".join(notes) or "The index agrees with every source."),
        cursor=shown.passes.to_cursor(),
        asset_events=[
            AssetMaterialization(
                "uploads",
                partition=finding.source.id,
                metadata={"differing_objects": finding.ended.differing},
            )
            for finding in ready
        ],
    )


def _request(finding: Finding) -> RunRequest:
    """One refresh of the source that was found out of date."""
    source = finding.source
    return RunRequest(
        run_key=f"{source.id}/{source.generation}/{finding.ended.started_at.isoformat()}",
        partition_key=source.id,
        tags={INDEX_SOURCE_TAG: source.id},
    )
