"""`refresh_index`: bring the index of one source up to date; `nightly_reindex`: of all of them."""

from collections.abc import Iterator

from dagster import (
    AssetSelection,
    DefaultScheduleStatus,
    RunRequest,
    ScheduleEvaluationContext,
    define_asset_job,
    in_process_executor,
    schedule,
)

from s3pipelines.assets.object_index import object_index
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.resources.catalog import CatalogResource

# Runs with this tag take turns per source (see `instance/dagster.yaml`).
INDEX_SOURCE_TAG = "s3pipelines/index_source"
# Nightly listings, which leave room for arrivals.
REINDEX_TAG = "s3pipelines/reindex"

# One step each, so a process of its own beside the run's would only cost a second or two.
_EXECUTOR = in_process_executor

# Without the checks: they look at all sources, so once a night is enough.
refresh_index = define_asset_job(
    "refresh_index",
    selection=AssetSelection.assets(object_index).without_checks(),
    executor_def=_EXECUTOR,
    config={"ops": {"object_index": {"config": {"full": True}}}},
    description="List a source and bring its rows of the table `objects` up to date. Choose the "
    "source as the partition; there is nothing to configure.",
)

check_index = define_asset_job(
    "check_index",
    selection=AssetSelection.checks_for_assets(object_index),
    executor_def=_EXECUTOR,
    description="Check the whole index: unique keys, right counts, fresh enough. Nothing to "
    "configure.",
)


@schedule(
    job=refresh_index,
    cron_schedule="0 2 * * *",
    default_status=DefaultScheduleStatus.RUNNING,
    description="List every source once a night, which repairs whatever the sensors missed.",
)
def nightly_reindex(
    context: ScheduleEvaluationContext, catalog: CatalogResource
) -> Iterator[RunRequest]:
    """One run per registered source and night."""
    registry = read_registry(catalog.get())
    for error in registry.unreadable.values():
        context.log.warning(str(error))
    for source in registry.sources:
        yield RunRequest(
            run_key=f"{context.scheduled_execution_time:%Y-%m-%d}/{source.id}/{source.generation}",
            partition_key=source.id,
            tags={REINDEX_TAG: source.id, "dagster/priority": "-1"},
        )


@schedule(
    job=check_index,
    cron_schedule="0 5 * * *",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Check the whole index after the nightly listing.",
)
def nightly_check(context: ScheduleEvaluationContext) -> RunRequest:
    """One run a night over all sources."""
    return RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}")
