"""`optimize_catalog`: upkeep of the tables; `nightly_optimize`: every night."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta

from dagster import (
    Config,
    DefaultScheduleStatus,
    Failure,
    MetadataValue,
    OpExecutionContext,
    RunRequest,
    ScheduleEvaluationContext,
    TableColumn,
    TableRecord,
    TableSchema,
    in_process_executor,
    job,
    op,
    schedule,
)
from pydantic import Field

from s3pipelines.assets.failures import clear_failures
from s3pipelines.core.upkeep.optimize import optimize
from s3pipelines.core.upkeep.report import Kept, Upkeep
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.settings import load_settings

# Metadata is kept for ever; what failed comes first.
_MOST_PARTS = 200
_TEXTS = ("table", "source", "note", "error")


class OptimizeCatalog(Config):
    """What to put in order; the default is all of it, and is safe at any time."""

    source: str | None = Field(
        None, description="Only the files of this source; nothing is removed then."
    )
    keep_versions_days: float | None = Field(
        None,
        ge=1,
        le=3650,
        description="How long files and log of old versions stay, in days. By default what "
        "S3PIPELINES_KEEP_VERSIONS_DAYS says.",
    )


@op(description="Sort and compact the files of each source, and remove what nobody needs any more.")
def optimize_tables(
    context: OpExecutionContext, config: OptimizeCatalog, catalog: CatalogResource
) -> None:
    """Put the tables in order, and fail at the end if something could not be done."""
    days = config.keep_versions_days or load_settings().keep_versions_days
    with clear_failures():
        upkeep = optimize(
            catalog.get(), timedelta(days=days), source_id=config.source, say=context.log.info
        )
    metadata = upkeep_metadata(upkeep)
    if upkeep.failures:
        first = upkeep.failures[0]
        raise Failure(
            f"{len(upkeep.failures)} of {len(upkeep.parts)} parts were left as they are, the "
            f"first for this: {first.table} {first.source}: {first.error}",
            metadata=metadata,
            allow_retries=False,
        )
    context.add_output_metadata(metadata)


def upkeep_metadata(upkeep: Upkeep) -> Mapping[str, MetadataValue]:
    """Sums that plot, and a table of the parts."""
    parts = sorted(upkeep.parts, key=lambda part: not part.error)
    return {
        "rewritten_files": MetadataValue.int(sum(part.rewritten_files for part in parts)),
        "removed_files": MetadataValue.int(sum(part.removed_files for part in parts)),
        "removed_bytes": MetadataValue.int(sum(part.removed_bytes for part in parts)),
        "failed": MetadataValue.int(len(upkeep.failures)),
        "duration_s": MetadataValue.float(round(upkeep.duration_s, 3)),
        "parts": _table(parts[:_MOST_PARTS]),
    }


def _table(parts: Sequence[Kept]) -> MetadataValue:
    columns = [TableColumn(name, _type(name)) for name in asdict(Kept(""))]
    return MetadataValue.table(
        [TableRecord(asdict(part)) for part in parts], TableSchema(columns=columns)
    )


def _type(name: str) -> str:
    if name in _TEXTS:
        return "string"
    return "float" if name == "duration_s" else "int"


@job(
    executor_def=in_process_executor,  # One step: a process of its own would only cost a second.
    description="Put the files of all tables in order (sorted, few, of good size), and remove "
    "files and log of old versions. Changes no row that is shown; nothing to configure.",
)
def optimize_catalog() -> None:
    """One op: the upkeep."""
    optimize_tables()


@schedule(
    job=optimize_catalog,
    cron_schedule="30 3 * * *",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Put the tables in order once a night, after the nightly listing.",
)
def nightly_optimize(context: ScheduleEvaluationContext) -> RunRequest:
    """One run a night over all sources."""
    return RunRequest(
        run_key=f"{context.scheduled_execution_time:%Y-%m-%d}", tags={"dagster/priority": "-1"}
    )
