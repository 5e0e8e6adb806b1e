"""`object_index`: the Delta table `objects`, brought up to date with what S3 has."""

from dagster import AssetExecutionContext, Config, MaterializeResult, asset
from pydantic import Field

from s3pipelines.assets.column_schemas import column_schema
from s3pipelines.assets.failures import RETRIES, clear_failures
from s3pipelines.assets.index_metadata import index_metadata
from s3pipelines.assets.partitions import ONE_SOURCE_PER_RUN, OWNERS, SOURCES
from s3pipelines.assets.uploads import uploads
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.index.up_to_date import bring_up_to_date
from s3pipelines.resources.catalog import CatalogResource


class IndexConfig(Config):
    """How to bring the index up to date; the default is right."""

    full: bool = Field(False, description="List the whole source, whatever the ledger has.")
    batch: str | None = Field(None, description="Names the batch in the ledger; sensors set it.")


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
def object_index(
    context: AssetExecutionContext, config: IndexConfig, catalog: CatalogResource
) -> MaterializeResult:
    """One row per object of the source: key, size, ETag, time and storage class.

    Applies the changes that the ledger has, each confirmed by S3, without listing. If there are
    none, lists the source and writes what differs; a listing that agrees writes nothing.
    """
    with clear_failures():
        where, source_id = catalog.get(), context.partition_key
        outcome = bring_up_to_date(
            where, source_id, full=config.full, batch_id=config.batch, say=context.log.info
        )
        return MaterializeResult(metadata=index_metadata(where, outcome))
