"""`PutObject` of what fits into memory."""

from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.copy import version_of
from s3pipelines.core.storage.verbs.values import Copied


async def put_bytes(
    client: BucketClient, key: str, body: bytes, headers: dict[str, str] | None = None
) -> Copied:
    """Write an object.

    Args:
        client: Asks the bucket.
        key: Its key.
        body: Its bytes.
        headers: How it is written, preconditions among them, with lower-case names.

    Raises:
        PreconditionFailed: A precondition does not hold.
        StorageError: It cannot be written; what was there is unchanged.
    """
    with s3_errors(client.bucket, key):
        reply = await client.ask("PutObject", "PUT", key=key, headers=headers, body=body)
    return Copied(reply.headers.get("etag", "").strip('"'), version_of(reply.headers))
