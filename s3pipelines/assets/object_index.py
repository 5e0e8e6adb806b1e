"""`object_index`: the Delta table `objects`, brought up to date with what S3 has."""

from dagster import AssetExecutionContext, MaterializeResult, asset

from s3pipelines.assets.column_schemas import column_schema
from s3pipelines.assets.failures import RETRIES, clear_failures
from s3pipelines.assets.index_metadata import refresh_metadata
from s3pipelines.assets.partitions import ONE_SOURCE_PER_RUN, OWNERS, SOURCES
from s3pipelines.assets.uploads import uploads
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.resources.catalog import CatalogResource


@asset(
    partitions_def=SOURCES,
    deps=[uploads],
    backfill_policy=ONE_SOURCE_PER_RUN,
    retry_policy=RETRIES,
    group_name="collection",
    kinds={"deltalake", "duckdb"},
    owners=OWNERS,
    metadata={"dagster/column_schema": column_schema(OBJECTS), "dagster/table_name": "objects"},
)
def object_index(context: AssetExecutionContext, catalog: CatalogResource) -> MaterializeResult:
    """One row per object of the source: key, size, ETag, time and storage class.

    Lists the source and writes what differs in one commit of the Delta table `objects`; a listing
    that agrees with the index writes nothing.
    """
    with clear_failures():
        where = catalog.get()
        refresh = refresh_index(where, context.partition_key, say=context.log.info)
        return MaterializeResult(metadata=refresh_metadata(where, refresh))
