"""`pyramids`: a tiled pyramid TIFF of every image, for viewers that zoom."""

from dagster import AssetExecutionContext, MaterializeResult

from s3pipelines.assets.deriving import DeriveConfig, derive, derived_asset
from s3pipelines.core.catalog.schemas import DERIVATIVES
from s3pipelines.resources.catalog import CatalogResource


@derived_asset(DERIVATIVES, "s3", "image")
def pyramids(
    context: AssetExecutionContext, config: DeriveConfig, catalog: CatalogResource
) -> MaterializeResult:
    """A pyramid TIFF of every image of the source, as the source wants it, upright.

    Made of each object that has none in the state of its ETag and with its parameters. Each is
    reopened and compared with its image before it appears under its key; what fails is a row of
    `derivatives` with the reason. Look at `contact_sheet` in the metadata.
    """
    return derive(context, catalog.get(), "pyramid", config)
