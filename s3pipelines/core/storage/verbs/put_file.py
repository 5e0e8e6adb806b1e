"""Writing an object from an open file: in one request, or in parts."""

import asyncio
import os

from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.copy_through import PART_BYTES
from s3pipelines.core.storage.verbs.multipart import part_size, upload_part, write_in_parts
from s3pipelines.core.storage.verbs.put import put_bytes
from s3pipelines.core.storage.verbs.values import Copied


async def put_file(
    client: BucketClient,
    key: str,
    descriptor: int,
    headers: dict[str, str],
    condition: dict[str, str],
    part_bytes: int = PART_BYTES,
) -> Copied:
    """Write all of an open file to `key`; it is there whole, or not at all.

    Each request is signed with the SHA-256 of what it carries, so that the server refuses what was
    damaged on its way.

    Args:
        client: Asks the bucket.
        key: The object.
        descriptor: The file; where it stands does not matter.
        headers: How it is written.
        condition: What must hold at the target, as a header.
        part_bytes: What is larger is written in parts of that size.

    Raises:
        PreconditionFailed: The condition does not hold.
        StorageError: It cannot be written; what was there is unchanged.
    """
    size_bytes = os.fstat(descriptor).st_size

    async def read(first: int, length: int) -> bytes:
        return await asyncio.to_thread(_read, descriptor, first, length)

    if size_bytes <= part_bytes:
        return await put_bytes(client, key, await read(0, size_bytes), headers | condition)

    async def send(upload: str, number: int, first: int, last: int) -> str:
        return await upload_part(client, key, upload, number, await read(first, last - first + 1))

    size = part_size(size_bytes, "", part_bytes)
    return await write_in_parts(client, key, size_bytes, size, headers, condition, send)


def _read(descriptor: int, first: int, length: int) -> bytes:
    """The bytes from `first`; one `pread` gives no more than 2 GB, and may give less."""
    parts: list[bytes] = []
    while length and (data := os.pread(descriptor, length, first)):
        parts.append(data)
        first, length = first + len(data), length - len(data)
    return b"".join(parts)
