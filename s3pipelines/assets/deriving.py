"""What the assets that are made of images share: their configuration, and the run itself."""

from collections.abc import Callable, Mapping

from dagster import AssetExecutionContext, Config, Failure, MaterializeResult, MetadataValue
from dagster._core.storage.tags import BACKFILL_ID_TAG
from pydantic import Field

from s3pipelines.assets.failures import clear_failures
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.progress import Spoken
from s3pipelines.core.imaging.report import Report
from s3pipelines.core.imaging.wishes import KINDS, Kind, Work
from s3pipelines.core.imaging.work import run
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sources.source import Source
from s3pipelines.settings import load_settings

# Runs with this tag take turns, so that they leave room for the index (`instance/dagster.yaml`).
DERIVE_TAG = "s3pipelines/derive"

# What arrives next waits for the run of this batch; what is left is made by `missing_derivatives`.
_BATCH_BUDGET_S = 30

Metadata = Mapping[str, MetadataValue]
Describe = Callable[[Catalog, Work, DecodePool, Report], Metadata]


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


def derive(
    context: AssetExecutionContext,
    catalog: Catalog,
    kind: Kind,
    config: DeriveConfig,
    describe: Describe,
) -> MaterializeResult:
    """Work through one source for as long as a run may, and tell what came of it.

    Raises:
        Failure: The source, the catalog or the place for derivatives cannot be used; or a
            backfill included a source that does not ask for this.
    """
    with clear_failures(), DecodePool() as pool:
        source = get_source(catalog, context.partition_key)
        if BACKFILL_ID_TAG in context.run.tags:
            _refuse_unasked(source, kind)
        work = Work(
            source.id,
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
        return MaterializeResult(metadata=describe(catalog, work, pool, report))


def _budget_s(config: DeriveConfig) -> float:
    most = load_settings().derive_budget_s
    return most if config.batch is None else min(most, _BATCH_BUDGET_S)


def _refuse_unasked(source: Source, kind: Kind) -> None:
    """Materializing one source by hand is asking; "all of them" is not, and a request an object."""
    asked = [wish for wish, made in KINDS.items() if made == kind]
    if not set(asked) & set(source.derive):
        wishes = ",".join([*source.derive, *asked])
        raise Failure(
            f"The source {source.id!r} does not ask for {asked[0]}. If it should: s3pipelines "
            f"sources update --id {source.id} --derive {wishes} -m WHY",
            allow_retries=False,
        )
