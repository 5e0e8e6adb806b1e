"""Object tags: reading them, and writing all of them anew."""

import base64
import hashlib
from collections.abc import Mapping
from xml.sax.saxutils import escape

from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.head import present
from s3pipelines.core.storage.verbs.xml import parse, text


async def get_tags(client: BucketClient, key: str, version_id: str | None = None) -> dict[str, str]:
    """The tags of an object, or of that version of it.

    Raises:
        Gone: There is no such object.
        StorageError: They cannot be read.
    """
    with s3_errors(client.bucket, key):
        reply = await client.ask("GetObjectTagging", "GET", key=key, query=_query(version_id))
    if not reply.body:
        return {}  # So says Ceph's gateway of an upload in parts whose tags it has not kept.
    found = parse(reply.body, "GetObjectTagging").iter("Tag")
    return {text(tag, "Key"): text(tag, "Value") for tag in found}


async def put_tags(
    client: BucketClient, key: str, tags: Mapping[str, str], version_id: str | None = None
) -> None:
    """Give an object exactly these tags; none takes all away.

    Raises:
        Gone: There is no such object.
        StorageError: They cannot be written.
    """
    if not tags:
        # By name: without, Ceph's gateway takes nothing away in a bucket with versions.
        version_id = version_id or (await present(client, key)).version_id
        with s3_errors(client.bucket, key):
            await client.ask("DeleteObjectTagging", "DELETE", key=key, query=_query(version_id))
        return
    listed = "".join(
        f"<Tag><Key>{escape(name)}</Key><Value>{escape(value)}</Value></Tag>"
        for name, value in tags.items()
    )
    body = f"<Tagging><TagSet>{listed}</TagSet></Tagging>".encode()
    with s3_errors(client.bucket, key):
        await client.ask(
            "PutObjectTagging",
            "PUT",
            key=key,
            query=_query(version_id),
            headers=content_md5(body),
            body=body,
        )


def content_md5(body: bytes) -> dict[str, str]:
    """The digest that S3 asks for with some bodies."""
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    return {"content-md5": base64.b64encode(digest).decode()}


def _query(version_id: str | None) -> dict[str, str]:
    return {"tagging": ""} | ({"versionId": version_id} if version_id else {})
