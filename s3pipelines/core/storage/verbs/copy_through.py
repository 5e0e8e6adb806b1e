"""Copying between servers, or identities, that know nothing of each other: through this machine."""

from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.head import present
from s3pipelines.core.storage.verbs.multipart import (
    describing_headers,
    part_size,
    tags_of,
    upload_part,
    write_in_parts,
)
from s3pipelines.core.storage.verbs.put import put_bytes
from s3pipelines.core.storage.verbs.read import read_range
from s3pipelines.core.storage.verbs.values import Copied, Origin, Writing

# Held in memory: at most eight parts of an object at a time.
PART_BYTES = 8 * 1024 * 1024


async def copy_through(
    origin_client: BucketClient,
    origin: Origin,
    client: BucketClient,
    key: str,
    writing: Writing,
    part_bytes: int = PART_BYTES,
) -> Copied:
    """Read an object here and write it there, with its metadata and tags.

    Each range is bound to the origin's ETag, and each part is signed with its own digest.

    Args:
        origin_client: Asks the bucket of the origin.
        origin: What is copied.
        client: Asks the bucket of the target.
        key: The target.
        writing: How it is written.
        part_bytes: What is larger is written in parts of that size, unless the origin's ETag tells
            that of its own.

    Raises:
        PreconditionFailed: The origin has another ETag, or the target is not as `writing` says.
        Gone: There is no such origin.
        Archived: The origin has to be restored first.
        StorageError: It cannot be copied; the target is unchanged.
    """
    found = await present(origin_client, origin.key, origin.version_id)
    tags = await tags_of(origin_client, origin, found) if writing.tags is None else {}
    headers = describing_headers(found, tags, writing)

    async def read(first: int, length: int) -> bytes:
        return await read_range(
            origin_client,
            origin.key,
            first,
            length,
            etag=origin.etag,
            version_id=origin.version_id,
        )

    in_parts = "-" in origin.etag or found.size_bytes > part_bytes
    if not in_parts:
        body = await read(0, found.size_bytes)
        return await put_bytes(client, key, body, headers | writing.condition)

    async def send(upload: str, number: int, first: int, last: int) -> str:
        return await upload_part(client, key, upload, number, await read(first, last - first + 1))

    size = part_size(found.size_bytes, origin.etag, part_bytes)
    return await write_in_parts(
        client, key, found.size_bytes, size, headers, writing.condition, send
    )
