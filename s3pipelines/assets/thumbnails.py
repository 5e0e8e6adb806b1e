"""`thumbnails`: a small WebP of every image, and a contact sheet to see the source by."""

from dagster import AssetExecutionContext, MaterializeResult

from s3pipelines.assets.deriving import DeriveConfig, derive, derived_asset
from s3pipelines.core.catalog.schemas import DERIVATIVES
from s3pipelines.resources.catalog import CatalogResource


@derived_asset(DERIVATIVES, "s3", "image")
def thumbnails(
    context: AssetExecutionContext, config: DeriveConfig, catalog: CatalogResource
) -> MaterializeResult:
    """A WebP of at most 400 px for every image of the source, upright and in sRGB.

    Made of each object that has none in the state of its ETag; a file that cannot be decoded is a
    row of `derivatives` with the reason. Look at `contact_sheet` in the metadata.
    """
    return derive(context, catalog.get(), "thumbnail", config)
