"""`ListObjectVersions` of one key."""

from urllib.parse import unquote_plus

from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.values import Version
from s3pipelines.core.storage.verbs.xml import parse, text


async def list_versions_of_key(client: BucketClient, key: str) -> list[Version]:
    """All versions and delete markers of exactly this key, the newest first.

    Raises:
        StorageError: They cannot be listed.
    """
    versions: list[Version] = []
    # Of all keys that begin with this one, it comes first itself.
    query = {"versions": "", "prefix": key, "encoding-type": "url"}
    while True:
        with s3_errors(client.bucket):
            reply = await client.ask("ListObjectVersions", "GET", query=query)
        root = parse(reply.body, "ListObjectVersions")
        # Some servers do not encode keys, whatever they are asked for.
        decoded = unquote_plus if text(root, "EncodingType") == "url" else str
        for element in root:
            if element.tag not in ("Version", "DeleteMarker"):
                continue
            if decoded(text(element, "Key")) != key:
                continue
            versions.append(
                Version(
                    version_id=text(element, "VersionId"),
                    is_delete_marker=element.tag == "DeleteMarker",
                    etag=text(element, "ETag").strip('"') or None,
                    size_bytes=int(text(element, "Size") or 0),
                    is_latest=text(element, "IsLatest") == "true",
                )
            )
        following = decoded(text(root, "NextKeyMarker"))
        if text(root, "IsTruncated") != "true" or following > key:
            # Some servers list markers and versions apart.
            return sorted(versions, key=lambda one: not one.is_latest)
        marker = {"key-marker": following, "version-id-marker": text(root, "NextVersionIdMarker")}
        if not following or marker.items() <= query.items():
            raise StorageError(
                f"The endpoint lists the versions of s3://{client.bucket}/{key} without an end.",
                hint="Check that it is an S3 server that knows ListObjectVersions.",
            )
        query |= marker
