"""`read_image_headers`, `make_thumbnails`, `make_pyramids`; `check_images`: the checks."""

from dagster import (
    AssetsDefinition,
    AssetSelection,
    DefaultScheduleStatus,
    RunRequest,
    ScheduleEvaluationContext,
    define_asset_job,
    in_process_executor,
    schedule,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from s3pipelines.assets.image_headers import image_headers
from s3pipelines.assets.pyramids import pyramids
from s3pipelines.assets.thumbnails import thumbnails
from s3pipelines.core.imaging.wishes import Kind

# One step each; the decode workers are processes of their own anyway.
_EXECUTOR = in_process_executor


def _job(name: str, made: AssetsDefinition, what: str) -> UnresolvedAssetJobDefinition:
    return define_asset_job(
        name,
        selection=AssetSelection.assets(made).without_checks(),
        executor_def=_EXECUTOR,
        description=f"{what} of every image of a source that has none yet. Choose the source as "
        "the partition.",
    )


read_image_headers = _job("read_image_headers", image_headers, "Read the header")
make_thumbnails = _job("make_thumbnails", thumbnails, "Make the thumbnail")
make_pyramids = _job("make_pyramids", pyramids, "Make the pyramid TIFF")

# The job of each kind of work.
JOBS: dict[Kind, UnresolvedAssetJobDefinition] = {
    "header": read_image_headers,
    "thumbnail": make_thumbnails,
    "pyramid": make_pyramids,
}

check_images = define_asset_job(
    "check_images",
    selection=AssetSelection.checks_for_assets(image_headers, thumbnails, pyramids),
    executor_def=_EXECUTOR,
    description="Check all images: readable, with all that sources ask for, and no file without "
    "its object. Nothing to configure.",
)


@schedule(
    job=check_images,
    cron_schedule="30 5 * * *",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Check the images of all sources once a night.",
)
def nightly_image_check(context: ScheduleEvaluationContext) -> RunRequest:
    """One run a night over all sources."""
    return RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}")
