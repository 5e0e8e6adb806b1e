"""`UploadPartCopy`: the server copies an object of any size, part by part."""

from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.copy import origin_headers
from s3pipelines.core.storage.verbs.head import present
from s3pipelines.core.storage.verbs.multipart import (
    describing_headers,
    part_size,
    tags_of,
    write_in_parts,
)
from s3pipelines.core.storage.verbs.values import Copied, Origin, Writing
from s3pipelines.core.storage.verbs.xml import parse, text

_PART_BYTES = 256 * 1024 * 1024


async def multipart_copy(
    origin_client: BucketClient,
    origin: Origin,
    client: BucketClient,
    key: str,
    writing: Writing,
    part_bytes: int = _PART_BYTES,
) -> Copied:
    """Copy an object in parts, many at a time, with its metadata and tags.

    Args:
        origin_client: Asks the bucket of the origin.
        origin: What is copied.
        client: Asks the bucket of the target, on the same server.
        key: The target.
        writing: How it is written.
        part_bytes: Size of a part, unless the origin's ETag tells that of its own.

    Raises:
        PreconditionFailed: The origin has another ETag, or the target is not as `writing` says.
        Gone: There is no such origin.
        StorageError: It cannot be copied; the target is unchanged.
    """
    found = await present(origin_client, origin.key, origin.version_id)
    tags = await tags_of(origin_client, origin, found) if writing.tags is None else {}

    async def send(upload: str, number: int, first: int, last: int) -> str:
        with s3_errors(client.bucket, key):
            reply = await client.ask(
                "UploadPartCopy",
                "PUT",
                key=key,
                query={"partNumber": str(number), "uploadId": upload},
                headers=origin_headers(origin)
                | {"x-amz-copy-source-range": f"bytes={first}-{last}"},
            )
        return text(parse(reply.body, "UploadPartCopy"), "ETag")

    return await write_in_parts(
        client,
        key,
        found.size_bytes,
        part_size(found.size_bytes, origin.etag, part_bytes),
        describing_headers(found, tags, writing),
        writing.condition,
        send,
    )
