"""`image_headers`: the Delta table `images`, what each image says of itself."""

from dagster import AssetExecutionContext, MaterializeResult, asset

from s3pipelines.assets.column_schemas import column_schema
from s3pipelines.assets.deriving import DeriveConfig, derive
from s3pipelines.assets.failures import RETRIES
from s3pipelines.assets.image_metadata import headers_metadata
from s3pipelines.assets.object_index import object_index
from s3pipelines.assets.partitions import ONE_SOURCE_PER_RUN, OWNERS, SOURCES
from s3pipelines.core.catalog.schemas import IMAGES
from s3pipelines.resources.catalog import CatalogResource


@asset(
    partitions_def=SOURCES,
    deps=[object_index],
    backfill_policy=ONE_SOURCE_PER_RUN,
    retry_policy=RETRIES,
    group_name="collection",
    kinds={"deltalake", "image"},
    owners=OWNERS,
    metadata={"dagster/column_schema": column_schema(IMAGES), "dagster/table_name": "images"},
)
def image_headers(
    context: AssetExecutionContext, config: DeriveConfig, catalog: CatalogResource
) -> MaterializeResult:
    """One row per image of the source: format, dimensions, bands, orientation, profile, EXIF.

    Reads the head of each object that has no row in the state of its ETag. A file that cannot be
    read is a row with the reason; what is archived is neither fetched nor counted as broken.
    """
    return derive(context, catalog.get(), "header", config, headers_metadata)
