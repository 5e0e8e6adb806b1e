"""`process_uploads`: the whole chain for one source and batch, which the upload sensors request."""

from dagster import AssetSelection, define_asset_job, in_process_executor

from s3pipelines.assets.image_headers import image_headers
from s3pipelines.assets.object_index import object_index
from s3pipelines.assets.pyramids import pyramids
from s3pipelines.assets.thumbnails import thumbnails

process_uploads = define_asset_job(
    "process_uploads",
    selection=AssetSelection.assets(
        object_index, image_headers, thumbnails, pyramids
    ).without_checks(),
    # One process for the whole chain: each further one would take a second or two to start.
    executor_def=in_process_executor,
    description="Apply what the ledger has for a source to its index, and make of the objects of "
    "that batch what the source wants on arrival. Choose the source as the partition; launched "
    "without configuration, it makes all that is missing.",
)
