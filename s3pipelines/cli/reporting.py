"""Telling the Dagster instance what the command line did, so that the history in the UI is whole.

The work is done when these are called; if the instance cannot be reached, that is a warning.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.core.index.apply import Batch
from s3pipelines.core.index.refresh import Refresh

if TYPE_CHECKING:
    from dagster import DagsterInstance, MetadataValue

    from s3pipelines.core.imaging.pool import DecodePool
    from s3pipelines.core.imaging.report import Report
    from s3pipelines.core.imaging.wishes import Work


def report_index(context: CliContext, outcome: Refresh | Batch) -> None:
    """Add a materialization of `object_index` that no run made."""
    from s3pipelines.assets.index_metadata import index_metadata

    metadata = index_metadata(context.catalog, outcome)
    _report_materialization("object_index", outcome.source.id, metadata)


def report_derived(context: CliContext, work: "Work", pool: "DecodePool", report: "Report") -> None:
    """Add a materialization of what is made of images that no run made."""
    from s3pipelines.assets.deriving import ASSETS
    from s3pipelines.assets.image_metadata import metadata_of

    with _warned():
        url = context.settings.viewer_url
        metadata = metadata_of(context.catalog, work, pool, report, url)
        _report_materialization(ASSETS[work.kind], work.source_id, metadata)


def report_created(source_id: str) -> None:
    """Add the partition of a new source, without what an older source of that id left behind."""
    from s3pipelines.instance.partitions import renew_source_partition

    _with_instance(lambda instance: renew_source_partition(instance, source_id))


def report_deleted(source_id: str) -> None:
    """Remove the partition of a source, and what Dagster remembers of it."""
    from s3pipelines.instance.partitions import forget_source

    _with_instance(lambda instance: forget_source(instance, source_id))


def _report_materialization(
    asset: str, source_id: str, metadata: Mapping[str, "MetadataValue"]
) -> None:
    from dagster import AssetMaterialization

    from s3pipelines.instance.partitions import add_source_partition

    event = AssetMaterialization(
        asset, partition=source_id, metadata=metadata, description="By the command line."
    )

    def report(instance: "DagsterInstance") -> None:
        add_source_partition(instance, source_id)
        instance.report_runless_asset_event(event)

    _with_instance(report)


def _with_instance(action: Callable[["DagsterInstance"], object]) -> None:
    with _warned():
        from s3pipelines.instance.home import open_instance

        with open_instance() as instance:
            action(instance)


@contextmanager
def _warned() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever the storage of the instance raises
        line = " ".join(str(error).split())[:300]
        click.echo(f"Warning: Dagster was not told ({type(error).__name__}: {line}).", err=True)
