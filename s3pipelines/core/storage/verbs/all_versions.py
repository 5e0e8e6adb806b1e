"""`ListObjectVersions` of a whole bucket or folder, page by page."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element

from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.xml import parse, text


@dataclass(frozen=True)
class KeyVersion:
    """One version of a key, or a delete marker; the version id of what has none is `null`."""

    key: str
    version_id: str
    is_delete_marker: bool
    is_latest: bool
    size_bytes: int


async def version_pages(
    client: BucketClient, prefix: str = "", most: int = 1000
) -> AsyncIterator[list[KeyVersion]]:
    """Everything that the bucket holds, in pages; what comes meanwhile may be missed.

    What was listed may be deleted before the next page is asked for.

    Args:
        client: Asks the bucket.
        prefix: Only keys that begin so.
        most: Of one page.

    Raises:
        AccessDenied: Versions may not be listed (s3:ListBucketVersions).
        StorageError: They cannot be listed.
    """
    query = {"versions": "", "encoding-type": "url", "max-keys": str(most)}
    if prefix:
        query["prefix"] = prefix
    while True:
        with s3_errors(client.bucket):
            reply = await client.ask("ListObjectVersions", "GET", query=query)
        root = parse(reply.body, "ListObjectVersions")
        # Some servers do not encode keys, whatever they are asked for.
        is_encoded = text(root, "EncodingType") == "url"
        yield [_read(one, is_encoded) for one in root if one.tag in ("Version", "DeleteMarker")]
        if text(root, "IsTruncated") != "true":
            return
        marker = {
            "key-marker": _decoded(text(root, "NextKeyMarker"), is_encoded),
            "version-id-marker": text(root, "NextVersionIdMarker"),
        }
        if marker.items() <= query.items() or not marker["key-marker"]:
            raise StorageError(
                f"The endpoint lists the versions of s3://{client.bucket}/ without an end.",
                hint="Check that it is an S3 server that knows ListObjectVersions.",
            )
        query |= marker


def _read(element: Element, is_encoded: bool) -> KeyVersion:
    return KeyVersion(
        key=_decoded(text(element, "Key"), is_encoded),
        version_id=text(element, "VersionId") or "null",
        is_delete_marker=element.tag == "DeleteMarker",
        is_latest=text(element, "IsLatest") == "true",
        size_bytes=int(text(element, "Size") or 0),
    )


def _decoded(key: str, is_encoded: bool) -> str:
    return unquote_plus(key) if is_encoded else key
