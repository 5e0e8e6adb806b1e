"""Whether two objects hold the same bytes: by what S3 says of them, else by reading both."""

import asyncio
import re

from s3pipelines.core.batch.sites import Site
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.read import read_hashes
from s3pipelines.core.storage.verbs.values import Found

# An MD5 of the bytes, or of the MD5s of the parts.
_COMPARABLE = re.compile(r"[0-9a-f]{32}(-\d+)?")


def same_by_etag(one: str, other: str) -> bool:
    """The ETags are digests, and the same.

    Where they differ, the bytes may be the same all the same: a multipart ETag depends on the
    parts, and that of an object encrypted with KMS on nothing that is known.
    """
    return one == other and _COMPARABLE.fullmatch(one) is not None


async def same_bytes(
    site: Site, key: str, etag: str, size_bytes: int, other: Site, other_key: str, other_etag: str
) -> bool:
    """Whether two objects hold the same bytes; each is bound to its ETag.

    Raises:
        PreconditionFailed: One of them has another ETag by now.
        Gone: One of them does not exist (any more).
        StorageError: One of them cannot be read.
    """
    if same_by_etag(etag, other_etag):
        return True
    mine, its = await asyncio.gather(head(site.client, key), head(other.client, other_key))
    if its is None or its.size_bytes != size_bytes:
        return False
    if mine is not None and (told := _same_by_checksum(mine, its)) is not None:
        return told
    one, two = await asyncio.gather(
        read_hashes(site.client, key, etag=etag),
        read_hashes(other.client, other_key, etag=other_etag),
    )
    return one.sha256 == two.sha256


def _same_by_checksum(one: Found, other: Found) -> bool | None:
    """What S3's own checksums of whole objects say; None where they cannot be compared."""
    if one.checksum_type != "FULL_OBJECT" or other.checksum_type != "FULL_OBJECT":
        return None
    shared = one.checksums.keys() & other.checksums.keys()
    return all(one.checksums[name] == other.checksums[name] for name in shared) if shared else None
