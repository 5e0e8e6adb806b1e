"""`rerun_images`: make headers, thumbnails or pyramids of chosen objects again."""

from collections import Counter

from dagster import Config, Failure, MetadataValue, OpExecutionContext, in_process_executor, job, op
from pydantic import Field

from s3pipelines.assets.failures import clear_failures
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.progress import Spoken
from s3pipelines.core.imaging.rerun import ask_again, chosen_kinds
from s3pipelines.core.imaging.wishes import LIMITS, Kind, work_on
from s3pipelines.core.imaging.work import run
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sql.selection import Selection
from s3pipelines.resources.catalog import CatalogResource


class RerunImages(Config):
    """What to make again; the same as `s3pipelines images rerun`."""

    source: str = Field(description="Id of the source.")
    kinds: list[str] = Field(
        [], description="header, thumbnail, pyramid; empty: all that the source asks for."
    )
    where: str | None = Field(None, description="Only objects for which this SQL condition holds.")
    glob: str | None = Field(None, description="Only keys like this, below the prefix.")
    regex: str | None = Field(None, description="Only keys like this (RE2), below the prefix.")
    keys: list[str] = Field([], description="Only these full keys.")
    limit: int | None = Field(None, ge=1, description="At most so many objects.")
    now: bool = Field(
        False, description="Make them in this run; otherwise the sensor or the schedule does."
    )

    @property
    def selection(self) -> Selection:
        """The objects."""
        keys = frozenset(self.keys) or None
        return Selection(self.where, self.regex, self.glob, self.limit, keys)


@op(description="Note which objects are to be made again, and perhaps do it.")
def rerun_chosen(
    context: OpExecutionContext, config: RerunImages, catalog: CatalogResource
) -> None:
    """Ask for the objects again; fail at the end if some could not be made."""
    where = catalog.get()
    with clear_failures():
        source = get_source(where, config.source)
        kinds = chosen_kinds(source, config.kinds)
        objects = ask_again(where, source.id, kinds, config.selection)
        failed = _made_again(context, where, config, kinds) if config.now else Counter[str]()
    context.add_output_metadata(
        {
            "objects": MetadataValue.int(objects),
            "kinds": MetadataValue.text(", ".join(kinds)),
            "failed": MetadataValue.int(failed.total()),
        }
    )
    if failed:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in failed.most_common())
        raise Failure(f"Some were not made again: {reasons}.", allow_retries=False)


def _made_again(
    context: OpExecutionContext, catalog: Catalog, config: RerunImages, kinds: list[Kind]
) -> Counter[str]:
    source = get_source(catalog, config.source)
    failed: Counter[str] = Counter()
    for kind in kinds:
        work = work_on(source, kind, selection=config.selection)
        with DecodePool(LIMITS[kind]) as pool:
            spoken = Spoken(context.log.info, kind)
            failed += run(catalog, work, pool=pool, progress=spoken).failed
    return failed


@job(
    executor_def=in_process_executor,  # One step: a process of its own would only cost a second.
    description="Make headers, thumbnails or pyramids of chosen objects again, whether or not they "
    "were made well. By default it only notes them, for the next run that makes such things.",
)
def rerun_images() -> None:
    """One op: asking again."""
    rerun_chosen()
