"""`GetObject` in ranges, bound to an ETag."""

import hashlib
from collections.abc import AsyncIterator

from s3pipelines.core.errors import PreconditionFailed
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.values import Found, Hashes

_RANGE_BYTES = 8 * 1024 * 1024


async def read_range(
    client: BucketClient,
    key: str,
    offset: int,
    length: int,
    *,
    etag: str,
    version_id: str | None = None,
) -> bytes:
    """The bytes from `offset`, `length` of them.

    Raises:
        PreconditionFailed: The object has another ETag by now.
        Archived: It has to be restored first.
        StorageError: It cannot be read.
    """
    pieces = await read_range_in_pieces(
        client, key, offset, length, etag=etag, version_id=version_id
    )
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def read_range_in_pieces(
    client: BucketClient,
    key: str,
    offset: int,
    length: int,
    *,
    etag: str,
    version_id: str | None = None,
) -> tuple[bytes, ...]:
    """The same in the pieces in which they came, for whoever writes them somewhere.

    Raises:
        PreconditionFailed: The object has another ETag by now.
        Archived: It has to be restored first.
        StorageError: It cannot be read.
    """
    if length <= 0:
        return ()
    headers = {"range": f"bytes={offset}-{offset + length - 1}", "if-match": f'"{etag}"'}
    query = {"versionId": version_id} if version_id else {}
    with s3_errors(client.bucket, key):
        return await client.get_pieces("GetObject", key, query, headers)


async def read_hashes(
    client: BucketClient, key: str, *, etag: str, version_id: str | None = None
) -> Hashes:
    """Read an object from its beginning to its end, and tell its digests.

    Raises:
        PreconditionFailed: The object has another ETag by now, or is gone.
        Archived: It has to be restored first.
        StorageError: It cannot be read.
    """
    found = await head(client, key, version_id)
    if found is None or found.etag != etag:
        raise PreconditionFailed(
            f"s3://{client.bucket}/{key} is another object by now.", hint="Plan it anew."
        )
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    async for part in _parts(client, found, version_id):
        md5.update(part)
        sha256.update(part)
    return Hashes(found.size_bytes, md5.hexdigest(), sha256.hexdigest())


async def _parts(
    client: BucketClient, found: Found, version_id: str | None
) -> AsyncIterator[bytes]:
    for offset in range(0, found.size_bytes, _RANGE_BYTES):
        length = min(_RANGE_BYTES, found.size_bytes - offset)
        yield await read_range(
            client, found.key, offset, length, etag=found.etag, version_id=version_id
        )
