"""What the assets that are made of images share: options, configuration, and the run itself."""

from collections.abc import Callable
from typing import Any

from dagster import AssetExecutionContext, Config, Failure, MaterializeResult, asset
from dagster._core.storage.tags import BACKFILL_ID_TAG
from pydantic import Field

from s3pipelines.assets.column_schemas import column_schema
from s3pipelines.assets.failures import RETRIES, clear_failures
from s3pipelines.assets.image_metadata import metadata_of
from s3pipelines.assets.object_index import object_index
from s3pipelines.assets.partitions import ONE_SOURCE_PER_RUN, OWNERS, SOURCES
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TableSchema
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.progress import Spoken
from s3pipelines.core.imaging.wishes import KINDS, LIMITS, Kind, kinds_of, work_on
from s3pipelines.core.imaging.work import run
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sources.source import Source
from s3pipelines.settings import load_settings

# The asset of each kind of work.
ASSETS: dict[Kind, str] = {
    "header": "image_headers",
    "thumbnail": "thumbnails",
    "pyramid": "pyramids",
}

# Runs with one of these tags take turns, so that they leave room for the index and, as pyramids
# take longest, for what takes less (`instance/dagster.yaml`).
DERIVE_TAG = "s3pipelines/derive"
PYRAMIDS_TAG = "s3pipelines/pyramids"

# What arrives next waits for the run of this batch; what is left is made by `missing_derivatives`.
_BATCH_BUDGET_S = 30
# Half an hour before `instance/dagster.yaml` ends a run; the next day goes on.
_DAY_BUDGET_S = 5.5 * 3600


def derived_asset(schema: TableSchema, *kinds: str) -> Callable[[Callable[..., Any]], Any]:
    """The decorator of an asset that is made of the objects of a source.

    Args:
        schema: The table that its rows go to.
        kinds: The badges that it shows.
    """
    return asset(
        partitions_def=SOURCES,
        deps=[object_index],
        backfill_policy=ONE_SOURCE_PER_RUN,
        retry_policy=RETRIES,
        group_name="collection",
        kinds=set(kinds),
        owners=OWNERS,
        metadata={
            "dagster/column_schema": column_schema(schema),
            "dagster/table_name": schema.name,
        },
    )


class DeriveConfig(Config):
    """What to do beyond what is missing; the default is right."""

    patient: bool = Field(
        False, description="Ask again only after a while for objects that S3 did not give."
    )
    batch: str | None = Field(
        None, description="Only objects that this batch of the ledger changed; sensors set it."
    )
    again: list[str] = Field(
        [], description="Reasons of failures to try again, whatever the rules (see `error`)."
    )
    until_done: bool = Field(
        False,
        description="Go on until nothing is missing, for at most 5.5 hours, instead of letting "
        "other sources have a turn after S3PIPELINES_DERIVE_BUDGET_S.",
    )


def derive(
    context: AssetExecutionContext,
    catalog: Catalog,
    kind: Kind,
    config: DeriveConfig,
) -> MaterializeResult:
    """Work through one source for as long as a run may, and tell what came of it.

    Raises:
        Failure: The source, the catalog or the place for derivatives cannot be used; or a
            backfill included a source that does not ask for this.
    """
    with clear_failures(), DecodePool(LIMITS[kind]) as pool:
        source = get_source(catalog, context.partition_key)
        if BACKFILL_ID_TAG in context.run.tags:
            _refuse_unasked(source, kind)
        work = work_on(
            source,
            kind,
            again=frozenset(config.again),
            patient=config.patient,
            batch=config.batch,
        )
        report = run(
            catalog,
            work,
            pool=pool,
            budget_s=_budget_s(config),
            progress=Spoken(context.log.info, kind),
        )
        url = load_settings().viewer_url
        return MaterializeResult(metadata=metadata_of(catalog, work, pool, report, url))


def _budget_s(config: DeriveConfig) -> float:
    if config.until_done:
        return _DAY_BUDGET_S
    most = load_settings().derive_budget_s
    return most if config.batch is None else min(most, _BATCH_BUDGET_S)


def _refuse_unasked(source: Source, kind: Kind) -> None:
    """Materializing one source by hand is asking; "all of them" is not, and a request an object."""
    asked = [wish for wish, made in KINDS.items() if made == kind]
    if kind not in kinds_of(source):
        wishes = ",".join([*source.derive, *asked])
        raise Failure(
            f"The source {source.id!r} does not ask for {asked[0]}. If it should: s3pipelines "
            f"sources update --id {source.id} --derive {wishes} -m WHY",
            allow_retries=False,
        )
