"""Registering an object that lies in the source already: nothing is copied."""

from s3pipelines.core.datasets.registered import Registered
from s3pipelines.core.datasets.tagging import with_tags
from s3pipelines.core.sources.scope import Scope
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.head import head


async def register_object(
    client: BucketClient, source: Source, key: str, tags: dict[str, str], *, dry_run: bool
) -> Registered:
    """Look at an object, set tags beside those that it has, and tell what it is.

    Raises:
        StorageError: It cannot be asked about, or its tags not be written.
    """
    found = await head(client, key)
    if found is None:
        detail = f"There is no object s3://{source.bucket}/{key}."
        return Registered(key, None, 0, "failed", error="gone", detail=detail)
    if not Scope(source).holds(key, found.size_bytes):
        detail = "The source leaves such keys out (--include, --exclude, markers of folders)."
        size = found.size_bytes
        return Registered(key, None, size, "failed", error="excluded", detail=detail)
    known = None if dry_run else await with_tags(client, key, tags, found.tag_count)
    return Registered(
        key=key,
        path=None,
        size_bytes=found.size_bytes,
        outcome="unchanged" if dry_run else "registered",
        etag=found.etag,
        version_id=found.version_id,
        checksum=found.checksums.get("sha256"),
        tags=known,
    )
