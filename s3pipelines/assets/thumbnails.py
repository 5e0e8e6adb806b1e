"""`thumbnails`: a small WebP of every image, and a contact sheet to see the source by."""

from functools import partial

from dagster import AssetExecutionContext, MaterializeResult, asset

from s3pipelines.assets.column_schemas import column_schema
from s3pipelines.assets.deriving import DeriveConfig, derive
from s3pipelines.assets.failures import RETRIES
from s3pipelines.assets.image_metadata import thumbnails_metadata
from s3pipelines.assets.object_index import object_index
from s3pipelines.assets.partitions import ONE_SOURCE_PER_RUN, OWNERS, SOURCES
from s3pipelines.core.catalog.schemas import DERIVATIVES
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.settings import load_settings


@asset(
    partitions_def=SOURCES,
    deps=[object_index],
    backfill_policy=ONE_SOURCE_PER_RUN,
    retry_policy=RETRIES,
    group_name="collection",
    kinds={"s3", "image"},
    owners=OWNERS,
    metadata={
        "dagster/column_schema": column_schema(DERIVATIVES),
        "dagster/table_name": "derivatives",
    },
)
def thumbnails(
    context: AssetExecutionContext, config: DeriveConfig, catalog: CatalogResource
) -> MaterializeResult:
    """A WebP of at most 400 px for every image of the source, upright and in sRGB.

    Made of each object that has none in the state of its ETag; a file that cannot be decoded is a
    row of `derivatives` with the reason. Look at `contact_sheet` in the metadata.
    """
    describe = partial(thumbnails_metadata, viewer_url=load_settings().viewer_url)
    return derive(context, catalog.get(), "thumbnail", config, describe)
