"""`GetBucketVersioning`."""

from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.xml import parse, text


async def bucket_versioning(client: BucketClient) -> str | None:
    """`Enabled` or `Suspended`; None where the bucket never kept versions.

    Raises:
        AccessDenied: This may not be asked (s3:GetBucketVersioning).
        StorageError: It cannot be asked.
    """
    with s3_errors(client.bucket):
        reply = await client.ask("GetBucketVersioning", "GET", query={"versioning": ""})
    return text(parse(reply.body, "GetBucketVersioning"), "Status") or None
