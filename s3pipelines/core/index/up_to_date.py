"""The index, brought up to date the cheapest way that is right."""

from collections.abc import Callable
from datetime import timedelta

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.index.apply import Batch, apply_changes
from s3pipelines.core.index.refresh import Refresh, refresh_index
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sources.refreshes import last_refresh
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.tags.refreshing import refresh_tags


def bring_up_to_date(
    catalog: Catalog,
    source_id: str,
    *,
    full: bool = False,
    batch_id: str | None = None,
    inventory: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Refresh | Batch:
    """Apply what the ledger has, without listing; or list, if it has nothing or that is asked for.

    Args:
        catalog: Where the registry and the tables are.
        source_id: A registered source.
        full: List the source, whatever the ledger has.
        batch_id: Names the batch in the ledger.
        inventory: The manifest of a report of S3 Inventory, to read in place of a listing.
        say: Is told of the steps, a line each.

    Raises:
        NotFound: There is no such source (any more).
        InvalidInput: The source overlaps with what the project writes, or the report does not fit.
        Busy: Another process is at it, and went on for ten minutes.
        StorageError: The source gives no answers, or the catalog cannot be written.
    """
    source = get_source(catalog, source_id)
    listed = last_refresh(catalog, source) is not None
    pending = read_pending(catalog, source)
    # Who names a batch has seen it; that somebody else was faster is no reason to list.
    nothing = batch_id is None and (pending is None or pending.is_idle)
    if full or inventory or not listed or nothing:
        refresh = refresh_index(catalog, source_id, batch_id=batch_id, inventory=inventory, say=say)
        if source.object_tags:
            _read_tags(catalog, source_id, say)
        return refresh
    return apply_changes(catalog, source_id, batch_id=batch_id, say=say)


def _read_tags(catalog: Catalog, source_id: str, say: Callable[[str], None]) -> None:
    """Read the tags of all objects: that somebody changed one is told by nothing else."""
    say(f"Reading the tags of {source_id!r}")
    done = refresh_tags(catalog, source_id, older_than=timedelta(0))
    say(f"Read the tags of {counted(done.read, 'object')}, {done.changed:,} of them changed")
    if done.failed:
        first = done.failed[0]
        say(f"The tags of {counted(len(done.failed), 'object')} were not read: {first.detail}")
