"""`image_headers`: the Delta table `images`, what each image says of itself."""

from dagster import AssetExecutionContext, MaterializeResult

from s3pipelines.assets.deriving import DeriveConfig, derive, derived_asset
from s3pipelines.core.catalog.schemas import IMAGES
from s3pipelines.resources.catalog import CatalogResource


@derived_asset(IMAGES, "deltalake", "image")
def image_headers(
    context: AssetExecutionContext, config: DeriveConfig, catalog: CatalogResource
) -> MaterializeResult:
    """One row per image of the source: format, dimensions, bands, orientation, profile, EXIF.

    Reads the head of each object that has no row in the state of its ETag. A file that cannot be
    read is a row with the reason; what is archived is neither fetched nor counted as broken.
    """
    return derive(context, catalog.get(), "header", config)
