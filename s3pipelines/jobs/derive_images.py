"""`read_image_headers`, `make_thumbnails`: what is made of images; `check_images`: the checks."""

from dagster import (
    AssetSelection,
    DefaultScheduleStatus,
    RunRequest,
    ScheduleEvaluationContext,
    define_asset_job,
    in_process_executor,
    schedule,
)

from s3pipelines.assets.image_headers import image_headers
from s3pipelines.assets.thumbnails import thumbnails

# One step each; the decode workers are processes of their own anyway.
_EXECUTOR = in_process_executor

read_image_headers = define_asset_job(
    "read_image_headers",
    selection=AssetSelection.assets(image_headers).without_checks(),
    executor_def=_EXECUTOR,
    description="Read the header of every image of a source that has none yet. Choose the source "
    "as the partition.",
)

make_thumbnails = define_asset_job(
    "make_thumbnails",
    selection=AssetSelection.assets(thumbnails).without_checks(),
    executor_def=_EXECUTOR,
    description="Make the thumbnail of every image of a source that has none yet. Choose the "
    "source as the partition.",
)

check_images = define_asset_job(
    "check_images",
    selection=AssetSelection.checks_for_assets(image_headers, thumbnails),
    executor_def=_EXECUTOR,
    description="Check all images: readable, with headers and thumbnails where sources ask for "
    "them. Nothing to configure.",
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
