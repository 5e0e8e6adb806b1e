"""`GetObjectLockConfiguration`."""

from botocore.exceptions import ClientError

from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.values import DefaultRetention
from s3pipelines.core.storage.verbs.xml import parse, text

# Says S3 of a bucket without Object Lock, and a server that has no such thing.
_NONE = ("ObjectLockConfigurationNotFoundError", "NotImplemented")


async def bucket_object_lock(client: BucketClient) -> DefaultRetention | None:
    """How long whatever is written to the bucket is kept from being deleted; None if it is not.

    Raises:
        AccessDenied: This may not be asked (s3:GetBucketObjectLockConfiguration).
        StorageError: It cannot be asked.
    """
    with s3_errors(client.bucket):
        try:
            reply = await client.ask("GetObjectLockConfiguration", "GET", query={"object-lock": ""})
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _NONE:
                return None
            raise
    root = parse(reply.body, "GetObjectLockConfiguration")
    retention = root.find("Rule/DefaultRetention")
    if retention is None:
        return None
    days = int(text(retention, "Days") or 365 * int(text(retention, "Years") or 0))
    return DefaultRetention(text(retention, "Mode"), days)
