"""The trash: where what is removed from a bucket without versions is kept, until it is emptied."""

from s3pipelines.core.batch.copying import Errand, copy_object
from s3pipelines.core.batch.looking import look_at
from s3pipelines.core.batch.rows import Row
from s3pipelines.core.batch.sites import Site, Sites
from s3pipelines.core.batch.verifying import same_bytes
from s3pipelines.core.errors import PreconditionFailed, StorageError

_LONGEST_KEY_BYTES = 1024


async def keep_in_trash(
    sites: Sites, site: Site, row: Row, key: str, etag: str, size_bytes: int
) -> str | None:
    """Copy an object into the trash, if its bucket would not keep it otherwise.

    Args:
        sites: The buckets of the plan.
        site: Where the object is.
        row: The row of the plan, for a key of its own in the trash.
        key: The object's key.
        etag: Its ETag.
        size_bytes: Its size.

    Returns:
        Its key in the trash; None where the bucket keeps versions.

    Raises:
        PreconditionFailed: It has another ETag by now.
        StorageError: It cannot be kept; it must not be removed.
    """
    if sites.trash is None:
        return None
    kept = trash_key(sites, row, key)
    errand = Errand(site, key, etag, size_bytes, sites.trash, kept)
    try:
        copied = (await copy_object(sites, errand)).etag
    except PreconditionFailed:
        # A process before this one, or an attempt without an answer, has kept it.
        seen = (await look_at(sites.trash.client, sites.trash.facts.location, [kept]))[kept]
        if seen is None:
            raise
        copied = seen.etag
    if not await same_bytes(site, key, etag, size_bytes, sites.trash, kept, copied):
        raise StorageError(
            f"The copy of {key} in the trash (s3://{sites.trash.bucket}/{kept}) is another one.",
            hint="Remove it if nobody needs it, and apply the plan again.",
        )
    return kept


async def kept_before(sites: Sites, row: Row, key: str) -> str | None:
    """Where in the trash an earlier process has kept an object of a plan; None if it has not.

    Raises:
        StorageError: The trash cannot be asked.
    """
    if sites.trash is None:
        return None
    kept = trash_key(sites, row, key)
    seen = await look_at(sites.trash.client, sites.trash.facts.location, [kept])
    return kept if seen[kept] is not None else None


def trash_key(sites: Sites, row: Row, key: str) -> str:
    """Where in the trash an object of a plan is kept: by its own key, if that is not too long."""
    kept = f"{sites.trash_folder}{key}"
    return kept if len(kept.encode()) <= _LONGEST_KEY_BYTES else f"{sites.trash_folder}{row.number}"
