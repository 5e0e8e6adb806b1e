"""`HEAD`: what an object is now."""

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from botocore.utils import parse_timestamp

from s3pipelines.core.errors import Gone, StorageError
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.connection import Reply
from s3pipelines.core.storage.listing.pages import server_time_of
from s3pipelines.core.storage.present import restored_until
from s3pipelines.core.storage.verbs.values import (
    CONTENT_HEADERS,
    Described,
    Encryption,
    Found,
    Lock,
)

_META, _CHECKSUM, _SSE = "x-amz-meta-", "x-amz-checksum-", "x-amz-server-side-encryption"
_LOCK = "x-amz-object-lock-"
_ALGORITHMS = frozenset({"crc32", "crc32c", "crc64nvme", "sha1", "sha256"})


async def head(client: BucketClient, key: str, version_id: str | None = None) -> Found | None:
    """What the object is now, or that version of it; None if there is none.

    Raises:
        StorageError: It cannot be asked about.
    """
    query = {"versionId": version_id} if version_id else {}
    try:
        with s3_errors(client.bucket, key):
            reply = await client.ask(
                "HeadObject",
                "HEAD",
                key=key,
                query=query,
                headers={"x-amz-checksum-mode": "ENABLED"},
            )
    except Gone:
        return None
    try:
        return _found(key, reply)
    except (KeyError, ValueError, TypeError) as error:
        raise StorageError(
            f"The endpoint answers for s3://{client.bucket}/{key} without {error}.",
            hint="Check what stands between here and the S3 server.",
        ) from error


async def present(client: BucketClient, key: str, version_id: str | None = None) -> Found:
    """The same of an object that has to be there.

    Raises:
        Gone: There is none.
        StorageError: It cannot be asked about.
    """
    found = await head(client, key, version_id)
    if found is None:
        raise Gone(
            f"There is no object s3://{client.bucket}/{key}.",
            hint="It may have been deleted meanwhile.",
        )
    return found


def _found(key: str, reply: Reply) -> Found:
    headers = reply.headers
    version, count = headers.get("x-amz-version-id"), headers.get("x-amz-tagging-count")
    kind = headers.get(_SSE)
    return Found(
        key=key,
        size_bytes=int(headers["content-length"]),
        etag=headers["etag"].strip('"'),
        last_modified=parsedate_to_datetime(headers["last-modified"]),
        storage_class=headers.get("x-amz-storage-class") or "STANDARD",
        version_id=None if version == "null" else version,
        restore=headers.get("x-amz-restore"),
        described=Described(
            content={name: headers[name] for name in CONTENT_HEADERS if name in headers},
            metadata={
                name.removeprefix(_META): value
                for name, value in headers.items()
                if name.startswith(_META)
            },
        ),
        encryption=Encryption(kind, headers.get(f"{_SSE}-aws-kms-key-id")) if kind else None,
        checksums={
            name.removeprefix(_CHECKSUM): value
            for name, value in headers.items()
            if name.removeprefix(_CHECKSUM) in _ALGORITHMS
        },
        checksum_type=headers.get(f"{_CHECKSUM}type"),
        tag_count=int(count) if count else None,
        server_time=server_time_of(headers.get("date", "")),
        restored_until=restored_until(headers.get("x-amz-restore", "")),
        lock=_lock(headers),
    )


def _lock(headers: Mapping[str, str]) -> Lock | None:
    until = headers.get(f"{_LOCK}retain-until-date")
    is_held = headers.get(f"{_LOCK}legal-hold", "").upper() == "ON"
    if until is None and not is_held:
        return None
    # botocore's reading of the time has the zone of this machine.
    ends = parse_timestamp(until).astimezone(UTC) if until else None
    return Lock(headers.get(f"{_LOCK}mode"), ends, is_held)
