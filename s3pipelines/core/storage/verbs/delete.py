"""`DeleteObjects` and `DeleteObject`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from botocore.exceptions import ClientError

from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.tags import content_md5
from s3pipelines.core.storage.verbs.xml import parse, text

MOST_AT_ONCE = 1000
# What XML 1.0 cannot hold, whether escaped or not.
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# XML readers make a newline of a carriage return, unless it is written as a reference.
_ESCAPES = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}


@dataclass(frozen=True)
class Doomed:
    """What is to be deleted: a version, or whatever the key holds; with an ETag, only that."""

    key: str
    version_id: str | None = None
    etag: str | None = None


@dataclass(frozen=True)
class Deleted:
    """What became of one.

    Attributes:
        doomed: What was to be deleted.
        marker: Version id of the delete marker that hides the object now; None if there is none.
        error: Why it is still there; None if it is not.
    """

    doomed: Doomed
    marker: str | None = None
    error: StorageError | None = None


async def delete_many(client: BucketClient, doomed: Sequence[Doomed]) -> list[Deleted]:
    """Delete objects or versions, a thousand at a time; one that is not there is no error.

    Raises:
        StorageError: Nothing can be deleted at all.
    """
    ended = [await delete_one(client, one) for one in doomed if _NOT_IN_XML.search(one.key)]
    together = [one for one in doomed if not _NOT_IN_XML.search(one.key)]
    for start in range(0, len(together), MOST_AT_ONCE):
        ended += await _delete(client, together[start : start + MOST_AT_ONCE])
    return ended


async def delete_one(client: BucketClient, doomed: Doomed) -> Deleted:
    """Delete one object or version; S3 compares the ETag, if there is one, by itself.

    Raises:
        StorageError: The bucket cannot be asked.
    """
    query = {"versionId": doomed.version_id} if doomed.version_id else {}
    headers = {"if-match": f'"{doomed.etag}"'} if doomed.etag else {}
    try:
        with s3_errors(client.bucket, doomed.key):
            reply = await client.ask(
                "DeleteObject", "DELETE", key=doomed.key, query=query, headers=headers
            )
    except StorageError as error:
        return Deleted(doomed, error=error)
    is_marker = reply.headers.get("x-amz-delete-marker") == "true" and not doomed.version_id
    return Deleted(doomed, reply.headers.get("x-amz-version-id") if is_marker else None)


async def _delete(client: BucketClient, doomed: Sequence[Doomed]) -> list[Deleted]:
    body = f"<Delete>{''.join(map(_listed, doomed))}</Delete>".encode()
    with s3_errors(client.bucket):
        reply = await client.ask(
            "DeleteObjects",
            "POST",
            query={"delete": ""},
            headers={**content_md5(body), "content-type": "application/xml"},
            body=body,
        )
    said: dict[tuple[str, str], Deleted] = {}
    wanted = {(one.key, one.version_id or ""): one for one in doomed}
    for element in parse(reply.body, "DeleteObjects"):
        # The marker that was made has a version, too; what was asked for had none.
        key, version = text(element, "Key"), text(element, "VersionId")
        one = wanted.get((key, version)) or wanted.get((key, ""))
        if one is not None:
            said[one.key, one.version_id or ""] = _deleted(client, one, element)
    unsaid = StorageError(
        f"The endpoint does not say what became of an object of {client.bucket!r}.",
        hint="Look whether it is still there.",
    )
    return [said.get(identity) or Deleted(one, error=unsaid) for identity, one in wanted.items()]


def _deleted(client: BucketClient, doomed: Doomed, element: Element) -> Deleted:
    if element.tag == "Error":
        return Deleted(doomed, error=_error(client, element))
    if doomed.version_id or text(element, "DeleteMarker") != "true":
        return Deleted(doomed)
    return Deleted(doomed, text(element, "DeleteMarkerVersionId") or None)


def _listed(doomed: Doomed) -> str:
    version = f"<VersionId>{escape(doomed.version_id)}</VersionId>" if doomed.version_id else ""
    etag = f"<ETag>{escape(doomed.etag)}</ETag>" if doomed.etag else ""
    return f"<Object><Key>{escape(doomed.key, _ESCAPES)}</Key>{version}{etag}</Object>"


def _error(client: BucketClient, element: Element) -> StorageError:
    said = {"Code": text(element, "Code"), "Message": text(element, "Message")}
    try:
        with s3_errors(client.bucket, text(element, "Key")):
            raise ClientError({"Error": said}, "DeleteObjects")
    except StorageError as error:
        return error
