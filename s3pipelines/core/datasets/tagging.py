"""Tags of an object that is there already: what it has stays, what is wanted is set."""

from s3pipelines.core.datasets.object_tags import MOST_TAGS
from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.tags import get_tags, put_tags


async def with_tags(
    client: BucketClient, key: str, wanted: dict[str, str], tag_count: int | None
) -> dict[str, str]:
    """Set tags of an object beside those that it has, and return all of them.

    Args:
        client: Asks the bucket.
        key: The object.
        wanted: What is set.
        tag_count: How many it has, if a HEAD told.

    Raises:
        Gone: There is no such object.
        StorageError: They cannot be read or written, or would be too many.
    """
    before = {} if tag_count == 0 else await get_tags(client, key)
    after = before | wanted
    if len(after) > MOST_TAGS:
        raise StorageError(
            f"{key} would have {len(after)} tags; S3 takes {MOST_TAGS}.",
            hint="Take some away with 's3pipelines batch plan tag --remove NAME'.",
        )
    if after != before:
        await put_tags(client, key, after)
    return after
