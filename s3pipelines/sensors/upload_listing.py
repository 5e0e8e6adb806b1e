"""`upload_listing`: notices new, overwritten and deleted objects by listing, slice by slice."""

from datetime import UTC, datetime

from dagster import (
    AssetMaterialization,
    DefaultSensorStatus,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection.looks import Finding, Look, look
from s3pipelines.core.detection.passes import Passes
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.core.sources.source import Source
from s3pipelines.instance.partitions import repair_partitions
from s3pipelines.jobs.process_uploads import process_uploads
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.sensors.batches import APPLIES, Requests, batch_request, request_batches
from s3pipelines.sensors.run_requests import reason_to_wait
from s3pipelines.settings import Settings


def build_upload_listing(settings: Settings) -> SensorDefinition:
    """The sensor, with the interval and the time budget of the settings."""

    @sensor(
        name="upload_listing",
        job=process_uploads,
        minimum_interval_seconds=settings.listing_interval_s,
        default_status=DefaultSensorStatus.RUNNING,
        description="Compares a slice of each source's listing with the index at every tick, "
        "writes what differs into the ledger, and requests process_uploads where there is any.",
    )
    def upload_listing(
        context: SensorEvaluationContext, catalog: CatalogResource
    ) -> SensorResult | SkipReason:
        where = catalog.get()
        try:
            registry = read_registry(where)
            # Not by requests in the result: Dagster checks run requests before it applies those.
            repair_partitions(context.instance, registry.ids)
            passes = Passes.from_cursor(context.cursor)
            shown = look(where, registry.sources, passes, settings.listing_budget_s)
            requests = _requests(context, where, registry.sources, shown, settings)
        except S3PipelinesError as error:
            return SkipReason(str(error))
        damaged = [str(error) for error in registry.unreadable.values()]
        return _translate(context, shown, requests, [*damaged, *shown.problems])

    return upload_listing


def _requests(
    context: SensorEvaluationContext,
    catalog: Catalog,
    sources: list[Source],
    shown: Look,
    settings: Settings,
) -> Requests:
    """A slice is a batch already; what came before it may still wait for more."""
    in_full = {finding.source.id for finding in shown.findings}
    now = [source for source in sources if source.id in shown.hinted]
    others = [s for s in sources if s.id not in in_full and s.id not in shown.hinted]
    at_once = request_batches(context.instance, catalog, now)
    ripe = request_batches(
        context.instance,
        catalog,
        others,
        least_age_s=settings.batch_age_s,
        least_changes=settings.batch_changes,
    )
    return Requests([*at_once.runs, *ripe.runs], [*at_once.notes, *ripe.notes])


def _translate(
    context: SensorEvaluationContext, shown: Look, requests: Requests, problems: list[str]
) -> SensorResult:
    """What was found as requests, and what stands in their way as a reason to skip."""
    for problem in problems:
        context.log.warning(problem)
    now = datetime.now(UTC)
    for finding in shown.findings:
        source = finding.source
        if why := reason_to_wait(context.instance, APPLIES, source.id, now):
            requests.notes.append(f"{source.id}: {why}")
        else:
            requests.runs.append(batch_request(source, _batch(finding), full=True))
    seen = {f.source.id: f.ended.differing for f in shown.findings} | shown.hinted
    said = "; ".join([*problems, *requests.notes])
    agrees = "Differences are in the ledger." if seen else "The index agrees with every source."
    return SensorResult(
        run_requests=requests.runs,
        skip_reason=None if requests.runs else said or agrees,
        cursor=shown.passes.to_cursor(),
        asset_events=[
            AssetMaterialization(
                "uploads", partition=source_id, metadata={"differing_objects": number}
            )
            for source_id, number in seen.items()
        ],
    )


def _batch(finding: Finding) -> str:
    source = finding.source
    return f"{source.id}/{source.generation}/{finding.ended.started_at.isoformat()}"
