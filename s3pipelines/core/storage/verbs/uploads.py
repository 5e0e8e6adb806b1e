"""An upload in parts that another process can go on with: begun, looked at, filled, completed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from s3pipelines.core.errors import Gone, StorageError
from s3pipelines.core.storage.failures import code_of, s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.checksums import IN_PARTS, SHA256, Digest
from s3pipelines.core.storage.verbs.copy import version_of
from s3pipelines.core.storage.verbs.multipart import ask_to_complete, completion
from s3pipelines.core.storage.verbs.xml import parse, text

_PART_XML = "<PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag>"


@dataclass(frozen=True)
class Part:
    """One part that the server has.

    Attributes:
        number: From 1 on.
        etag: Without quotes.
        sha256: Its checksum in base64; None where the server keeps none.
    """

    number: int
    size_bytes: int
    etag: str
    sha256: str | None


@dataclass(frozen=True)
class Written:
    """An object that was written.

    Attributes:
        etag: Without quotes.
        version_id: None where the bucket has no versions.
        sha256: The checksum that the server keeps of it; None where it tells none.
    """

    etag: str
    version_id: str | None
    sha256: str | None


async def begin_upload(client: BucketClient, key: str, headers: dict[str, str]) -> str:
    """Begin an upload whose parts have checksums, and return its id.

    Raises:
        StorageError: It cannot be begun.
    """
    with s3_errors(client.bucket, key):
        reply = await client.ask(
            "CreateMultipartUpload",
            "POST",
            key=key,
            query={"uploads": ""},
            headers=headers | IN_PARTS,
        )
    return text(parse(reply.body, "CreateMultipartUpload"), "UploadId")


async def list_parts(client: BucketClient, key: str, upload_id: str) -> list[Part] | None:
    """The parts that an upload has; None if it is no more.

    Raises:
        StorageError: It cannot be asked about.
    """
    parts: list[Part] = []
    query = {"uploadId": upload_id}
    while True:
        try:
            with s3_errors(client.bucket, key):
                reply = await client.ask("ListParts", "GET", key=key, query=query)
        except Gone:
            return None
        except StorageError as error:
            if code_of(error) == "NoSuchUpload":
                return None
            raise
        root = parse(reply.body, "ListParts")
        parts += parts_in(root)
        following = text(root, "NextPartNumberMarker")
        is_stuck = following in ("", query.get("part-number-marker"))
        if text(root, "IsTruncated") != "true" or is_stuck:
            return parts
        query["part-number-marker"] = following


async def send_part(
    client: BucketClient, key: str, upload_id: str, number: int, body: bytes, digest: Digest
) -> Part:
    """Send one part.

    Args:
        client: Asks the bucket.
        key: The object.
        upload_id: The upload.
        number: From 1 on.
        body: Its bytes.
        digest: Of these bytes; the server compares it.

    Raises:
        StorageError: It cannot be sent.
    """
    with s3_errors(client.bucket, key):
        reply = await client.ask(
            "UploadPart",
            "PUT",
            key=key,
            query={"partNumber": str(number), "uploadId": upload_id},
            headers=digest.headers,
            body=body,
            sha256=digest.hex,
        )
    etag = reply.headers.get("etag", "").strip('"')
    return Part(number, len(body), etag, reply.headers.get(SHA256))


async def complete_upload(
    client: BucketClient,
    key: str,
    upload_id: str,
    parts: Sequence[Part],
    condition: dict[str, str],
) -> Written:
    """Make an object of its parts; it is there whole, or not at all.

    Args:
        client: Asks the bucket.
        key: The object.
        upload_id: The upload.
        parts: All of them.
        condition: What must hold, as a header.

    Raises:
        PreconditionFailed: The condition does not hold, or an answer was lost (`retried`).
        StorageError: It cannot be completed.
    """
    body = completion_of(parts)
    reply = await ask_to_complete(client, key, upload_id, body, condition)
    root = parse(reply.body, "CompleteMultipartUpload")
    checksum = text(root, "ChecksumSHA256") or reply.headers.get(SHA256)
    return Written(text(root, "ETag").strip('"'), version_of(reply.headers), checksum)


async def abort_upload(client: BucketClient, key: str, upload_id: str) -> None:
    """Call an upload off, with the parts that it has.

    Raises:
        StorageError: It cannot be called off; also if it is no more.
    """
    with s3_errors(client.bucket, key):
        await client.ask("AbortMultipartUpload", "DELETE", key=key, query={"uploadId": upload_id})


async def put_checked(
    client: BucketClient, key: str, body: bytes, digest: Digest, headers: dict[str, str]
) -> Written:
    """Write an object that fits into memory, with its checksum.

    Raises:
        PreconditionFailed: A precondition among the headers does not hold.
        StorageError: It cannot be written; what was there is unchanged.
    """
    with s3_errors(client.bucket, key):
        reply = await client.ask(
            "PutObject",
            "PUT",
            key=key,
            headers=headers | digest.headers,
            body=body,
            sha256=digest.hex,
        )
    etag = reply.headers.get("etag", "").strip('"')
    return Written(etag, version_of(reply.headers), reply.headers.get(SHA256))


def completion_of(parts: Iterable[Part]) -> bytes:
    """What is sent to make an object of these parts."""
    return completion(map(_told, parts))


def parts_in(listed: Element) -> list[Part]:
    """The parts that an answer to `ListParts` tells of.

    Raises:
        ValueError: It is none.
    """
    return [_part(element) for element in listed.iter("Part")]


def _part(element: Element) -> Part:
    return Part(
        number=int(text(element, "PartNumber")),
        size_bytes=int(text(element, "Size")),
        etag=text(element, "ETag").strip('"'),
        sha256=text(element, "ChecksumSHA256") or None,
    )


def _told(part: Part) -> str:
    told = _PART_XML.format(number=part.number, etag=escape(part.etag))
    return told + (f"<ChecksumSHA256>{part.sha256}</ChecksumSHA256>" if part.sha256 else "")
