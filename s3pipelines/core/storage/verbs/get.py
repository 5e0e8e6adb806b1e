"""`GetObject` with all that S3 says beside the bytes."""

from collections.abc import Mapping

from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient, Reply

_CHECKSUMS = {"x-amz-checksum-mode": "ENABLED"}


async def get_object(
    client: BucketClient, key: str, *, etag: str | None, version_id: str | None = None
) -> Reply:
    """A whole object that fits into memory.

    Args:
        client: Asks the bucket.
        key: The object.
        etag: It is read only while it has this one; None for whatever it has.
        version_id: Which version of it; None for the latest one.

    Raises:
        PreconditionFailed: It has another ETag by now.
        Gone: There is none.
        Archived: It has to be restored first.
        StorageError: It cannot be read.
    """
    condition = {} if etag is None else {"if-match": f'"{etag}"'}
    with s3_errors(client.bucket, key):
        return await client.ask(
            "GetObject", "GET", key=key, query=_of(version_id), headers=_CHECKSUMS | condition
        )


async def head_headers(
    client: BucketClient, key: str, *, etag: str, version_id: str | None = None
) -> Mapping[str, str]:
    """What S3 says of an object without its bytes; bound to an ETag.

    Raises:
        PreconditionFailed: It has another ETag by now.
        Gone: There is none.
        StorageError: It cannot be asked about.
    """
    with s3_errors(client.bucket, key):
        reply = await client.ask(
            "HeadObject",
            "HEAD",
            key=key,
            query=_of(version_id),
            headers={**_CHECKSUMS, "if-match": f'"{etag}"'},
        )
    return reply.headers


def _of(version_id: str | None) -> dict[str, str]:
    return {"versionId": version_id} if version_id else {}
