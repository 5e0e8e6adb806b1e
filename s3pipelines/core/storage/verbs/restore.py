"""`RestoreObject`: ask for a temporary copy of an archived object."""

from botocore.exceptions import ClientError

from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.tags import content_md5


async def restore(client: BucketClient, key: str, *, days: int, tier: str) -> None:
    """Ask for a copy that stays for some days; asking again while it is under way is no error.

    Args:
        client: Asks the bucket.
        key: Of an archived object.
        days: How long the copy stays, from when it is there.
        tier: `Bulk`, `Standard` or `Expedited`.

    Raises:
        Gone: There is no such object.
        StorageError: It cannot be restored.
    """
    body = (
        f"<RestoreRequest><Days>{days}</Days><GlacierJobParameters><Tier>{tier}</Tier>"
        "</GlacierJobParameters></RestoreRequest>"
    ).encode()
    with s3_errors(client.bucket, key):
        try:
            await client.ask(
                "RestoreObject",
                "POST",
                key=key,
                query={"restore": ""},
                headers=content_md5(body),
                body=body,
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "RestoreAlreadyInProgress":
                raise
