"""Writing an object in parts: begun, filled by whatever gives the parts, completed or aborted."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from math import ceil
from xml.sax.saxutils import escape

from botocore.exceptions import ClientError

from s3pipelines.core.errors import PreconditionFailed, StorageError
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.connection import Reply
from s3pipelines.core.storage.verbs.copy import tag_header, version_of
from s3pipelines.core.storage.verbs.head import present
from s3pipelines.core.storage.verbs.tags import get_tags
from s3pipelines.core.storage.verbs.values import Copied, Found, Origin, Writing
from s3pipelines.core.storage.verbs.xml import parse, text

_MIB = 1024 * 1024
_MOST_PARTS = 10_000
_LEAST_PART_BYTES = 5 * _MIB
# The part sizes of common tools: AWS CLI and boto3 8, s5cmd 50, rclone 5 and so on.
_USUAL_MIB = (5, 8, 10, 15, 16, 20, 25, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1024)
_PARTS_AT_A_TIME = 8
# Uploads one part, from the first to behind the last byte, and returns its ETag.
SendPart = Callable[[str, int, int, int], Awaitable[str]]


def part_size(size_bytes: int, etag: str, usual_bytes: int) -> int:
    """How large the parts of a copy are: as those of the original, if its ETag can tell.

    Copies with parts of the same size have the same ETag, and so can be compared.
    """
    found = re.fullmatch(r"[0-9a-f]{32}-(\d+)", etag)
    if found:
        for mib in _USUAL_MIB:
            if ceil(size_bytes / (mib * _MIB)) == int(found[1]):
                return mib * _MIB
    return max(usual_bytes, _LEAST_PART_BYTES, ceil(size_bytes / _MOST_PARTS))


async def write_in_parts(
    client: BucketClient,
    key: str,
    size_bytes: int,
    part_bytes: int,
    headers: dict[str, str],
    condition: dict[str, str],
    send: SendPart,
) -> Copied:
    """Write an object in parts; it is there whole, or not at all.

    Args:
        client: Asks the bucket.
        key: The object.
        size_bytes: Its size.
        part_bytes: The size of each part but the last.
        headers: How it is written.
        condition: What must hold when it is completed.
        send: Sends one part: is given the upload's id, the number, the first byte, the last one.

    Raises:
        PreconditionFailed: The condition does not hold.
        StorageError: It cannot be written; its parts were removed.
    """
    with s3_errors(client.bucket, key):
        reply = await client.ask(
            "CreateMultipartUpload", "POST", key=key, query={"uploads": ""}, headers=headers
        )
    upload = text(parse(reply.body, "CreateMultipartUpload"), "UploadId")
    try:
        etags = await _send_all(size_bytes, part_bytes, upload, send)
        return await _complete(client, key, upload, etags, condition)
    except BaseException:
        with suppress(StorageError):
            await call_off(client, key, upload)
        raise


async def call_off(client: BucketClient, key: str, upload: str) -> None:
    """Remove the parts of an upload that is not completed.

    Raises:
        StorageError: It cannot be called off; where it is gone already, some servers say so.
    """
    with s3_errors(client.bucket, key):
        await client.ask("AbortMultipartUpload", "DELETE", key=key, query={"uploadId": upload})


def describing_headers(origin: Found, tags: dict[str, str], writing: Writing) -> dict[str, str]:
    """The headers that begin an upload with all that the origin says of itself."""
    described = origin.described if writing.described is None else writing.described
    given = tags if writing.tags is None else writing.tags
    return {**writing.headers, **described.headers, **tag_header(given)}


async def tags_of(client: BucketClient, origin: Origin, found: Found) -> dict[str, str]:
    """The tags of an origin, which are asked for only if it has some."""
    if found.tag_count == 0:
        return {}
    return await get_tags(client, origin.key, origin.version_id)


async def upload_part(client: BucketClient, key: str, upload: str, number: int, body: bytes) -> str:
    """Send one part, and tell its ETag.

    Raises:
        StorageError: It cannot be sent.
    """
    query = {"partNumber": str(number), "uploadId": upload}
    with s3_errors(client.bucket, key):
        reply = await client.ask("UploadPart", "PUT", key=key, query=query, body=body)
    return reply.headers.get("etag", "")


async def _send_all(size_bytes: int, part_bytes: int, upload: str, send: SendPart) -> list[str]:
    room = asyncio.Semaphore(_PARTS_AT_A_TIME)

    async def one(number: int, first: int) -> str:
        async with room:
            return await send(upload, number, first, min(first + part_bytes, size_bytes) - 1)

    starts = enumerate(range(0, size_bytes, part_bytes), start=1)
    tasks = [asyncio.create_task(one(number, first)) for number, first in starts]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        # None may go on sending when the upload is called off.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def _complete(
    client: BucketClient, key: str, upload: str, etags: list[str], condition: dict[str, str]
) -> Copied:
    parts = (
        f"<PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag>"
        for number, etag in enumerate(etags, start=1)
    )
    reply = await ask_to_complete(client, key, upload, completion(parts), condition)
    etag = text(parse(reply.body, "CompleteMultipartUpload"), "ETag").strip('"')
    version = version_of(reply.headers)
    # Ceph's gateway leaves it empty.
    return Copied(etag or (await present(client, key, version)).etag, version)


def completion(parts: Iterable[str]) -> bytes:
    """What is sent to make an object of its parts, each told as XML."""
    listed = "".join(f"<Part>{part}</Part>" for part in parts)
    return f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()


async def ask_to_complete(
    client: BucketClient,
    key: str,
    upload_id: str,
    body: bytes,
    condition: dict[str, str],
) -> Reply:
    """Ask for an object to be made of its parts.

    Args:
        client: Asks the bucket.
        key: The object.
        upload_id: The upload.
        body: See `completion`.
        condition: What must hold, as a header.

    Raises:
        PreconditionFailed: The condition does not hold, or an answer was lost (`retried`).
        StorageError: It cannot be completed.
    """
    with s3_errors(client.bucket, key):
        try:
            return await client.ask(
                "CompleteMultipartUpload",
                "POST",
                key=key,
                query={"uploadId": upload_id},
                headers=condition,
                body=body,
            )
        except ClientError as error:
            raise _perhaps_completed(client, key, error) from error


def _perhaps_completed(client: BucketClient, key: str, error: ClientError) -> Exception:
    """An upload is gone when it is completed: also when nobody heard of that."""
    retries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    if error.response.get("Error", {}).get("Code") != "NoSuchUpload" or not retries:
        return error
    failure = PreconditionFailed(
        f"The answer was lost that s3://{client.bucket}/{key} was written.",
        hint="Look what is there, and repeat.",
    )
    failure.retried = True
    return failure
