"""Telling the ledger of an object that was completed here, so that the index follows at once."""

from datetime import UTC, datetime

from s3pipelines.core.buckets.keys import Target
from s3pipelines.core.buckets.uses import sources_in
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection.hints import Addressing
from s3pipelines.core.detection.ledger import append_hints
from s3pipelines.core.detection.notifications import Notice


def tell_arrival(catalog: Catalog, target: Target, upload_id: str) -> list[str]:
    """Write a hint for each source that the object belongs to; twice does no harm.

    Args:
        catalog: Where the ledger is.
        target: The object.
        upload_id: Tells this arrival from others of the same key.

    Returns:
        The ids of the sources.

    Raises:
        StorageError: The ledger cannot be written.
    """
    at = datetime.now(UTC)
    sources = {one.id: one for one in sources_in(catalog, target.access, target.bucket)}
    notice = Notice(target.bucket, target.key, "", None, None, None, None, None)
    found = Addressing(sources.values(), observed_by="batch").rows_of([(notice, upload_id)], at)
    append_hints(catalog, [(sources[one], rows) for one, rows in found.rows.items()], at)
    return sorted(found.rows)
