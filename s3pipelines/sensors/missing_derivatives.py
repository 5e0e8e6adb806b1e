"""`missing_derivatives`: requests what sources ask for and lack, but for daily pyramids."""

from datetime import UTC, datetime

from dagster import (
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from s3pipelines.assets.deriving import ASSETS
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.imaging.reader import reader_version
from s3pipelines.core.imaging.wanted import Answers, Search, search
from s3pipelines.core.imaging.wishes import Kind
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.instance.partitions import repair_partitions
from s3pipelines.jobs.derive_images import JOBS, check_images
from s3pipelines.jobs.derive_requests import derive_request
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.sensors.run_requests import Materializing, reason_to_wait
from s3pipelines.settings import Settings

_BUDGET_S = 5
_MADE_BY: dict[Kind, Materializing] = {
    kind: Materializing(ASSETS[kind], job.name) for kind, job in JOBS.items()
}


def build_missing_derivatives(settings: Settings) -> SensorDefinition:
    """The sensor, with the interval of the settings."""

    @sensor(
        name="missing_derivatives",
        jobs=[*JOBS.values(), check_images],
        minimum_interval_seconds=settings.derive_interval_s,
        default_status=DefaultSensorStatus.RUNNING,
        description="Looks which objects lack a header, thumbnail or (where it is made on arrival) "
        "pyramid that their source asks for, and requests one run per asset and source; at the "
        "end, the checks.",
    )
    def missing_derivatives(
        context: SensorEvaluationContext, catalog: CatalogResource
    ) -> SensorResult | SkipReason:
        where = catalog.get()
        try:
            registry = read_registry(where)
            repair_partitions(context.instance, registry.ids)
            waiting = _Waiting(context)
            answers = Answers.from_cursor(context.cursor)
            shown = search(
                where, registry.sources, answers, reader_version(), _BUDGET_S, waiting.is_busy
            )
        except S3PipelinesError as error:
            return SkipReason(str(error))
        damaged = [str(error) for error in registry.unreadable.values()]
        return _translate(context, shown, [*damaged, *shown.problems], waiting.notes)

    return missing_derivatives


class _Waiting:
    """What is queued, running, or failed a moment ago."""

    def __init__(self, context: SensorEvaluationContext) -> None:
        self._instance = context.instance
        self._now = datetime.now(UTC)
        self.notes: list[str] = []

    def is_busy(self, source_id: str, kind: Kind) -> bool:
        what = _MADE_BY[kind]
        reason = reason_to_wait(self._instance, what, source_id, self._now)
        if reason:
            self.notes.append(f"{what.asset} of {source_id}: {reason}")
        return reason is not None


def _translate(
    context: SensorEvaluationContext, shown: Search, problems: list[str], notes: list[str]
) -> SensorResult:
    for problem in problems:
        context.log.warning(problem)
    moment = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"
    # Patient with objects that S3 does not give, as nobody waits for it.
    requests = [
        derive_request(found.source, found.kind, moment, {"patient": True})
        for found in shown.findings
    ]
    check = shown.quiet and shown.answers.unchecked
    if check:
        requests.append(RunRequest(run_key=f"checks/{moment}", job_name=check_images.name))
    unchecked = bool(shown.findings) or (shown.answers.unchecked and not check)
    said = "; ".join([*problems, *notes]) or "Every source has what it asks for."
    return SensorResult(
        run_requests=requests,
        skip_reason=None if requests else said,
        cursor=shown.answers.model_copy(update={"unchecked": unchecked}).to_cursor(),
    )
