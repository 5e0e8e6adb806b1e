"""Reading objects, whole or in ranges, and only as the state that the index knows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from botocore.client import BaseClient

from s3pipelines.core.errors import StorageError, Unreachable
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import botocore_session, client_of
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.quick import QuickObjects

# Storage classes that must be restored before they can be read. INTELLIGENT_TIERING may have moved
# an object to an archive, too; only reading it tells.
ARCHIVED_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_CHUNK_BYTES = 1024 * 1024
_ATTEMPTS = 3


class ObjectReader:
    """Reads objects of one bucket; may be shared by threads.

    Args:
        access: How to reach the bucket.
        bucket: Its name.
        connections: Most requests in flight at a time.
    """

    def __init__(self, access: Access, bucket: str, *, connections: int = 32) -> None:
        session = botocore_session(access)
        self._client: BaseClient = client_of(session, access, connections=connections)
        self._bucket = bucket
        self._quick = QuickObjects(session, self._client, access, bucket)

    def read(
        self, key: str, etag: str, offset: int, length: int, version_id: str | None = None
    ) -> bytes:
        """The bytes from `offset`, `length` of them or up to the end of the object.

        Args:
            key: The object.
            etag: Its ETag.
            offset: The first byte.
            length: How many.
            version_id: Which version of the key; None for what it holds now.

        Raises:
            PreconditionFailed: The object has another ETag now.
            Archived: It must be restored first.
            StorageError: It cannot be read.
        """
        if length <= 0:
            return b""
        if version_id is not None:
            return self._patiently(key, etag, offset, length, version_id)
        quickly = self._quick.get(key, etag, offset, length)
        if quickly is not None:
            return quickly
        data = self._patiently(key, etag, offset, length)
        self._quick.boto3_managed()
        return data

    def _patiently(
        self, key: str, etag: str, offset: int, length: int, version_id: str | None = None
    ) -> bytes:
        for attempt in range(_ATTEMPTS):
            try:
                return b"".join(self._chunks(key, etag, offset, length, version_id))
            except Unreachable:
                # A connection that breaks within a body is not one of those that botocore retries.
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def download(self, key: str, etag: str, size_bytes: int, file: IO[bytes]) -> None:
        """Write a whole object of a known size to `file`, in chunks; errors as in `read`."""
        for chunk in self.chunks(key, etag, 0, size_bytes):
            file.write(chunk)

    def chunks(self, key: str, etag: str, offset: int, size_bytes: int) -> Iterator[bytes]:
        """An object of a known size from `offset` on, in chunks; errors as in `read`."""
        at, attempts = offset, 0
        while at < size_bytes:
            try:
                for chunk in self._chunks(key, etag, at, size_bytes - at):
                    at += len(chunk)
                    yield chunk
            except Unreachable:
                attempts += 1
                if attempts == _ATTEMPTS:
                    raise

    def _chunks(
        self, key: str, etag: str, offset: int, length: int, version_id: str | None = None
    ) -> Iterator[bytes]:
        last = offset + length - 1
        with s3_errors(self._bucket, key):
            response = self._get(key, etag, f"bytes={offset}-{last}", version_id)
            body = response["Body"]
            try:
                if offset and "ContentRange" not in response:
                    raise StorageError(
                        f"The endpoint does not answer ranges of s3://{self._bucket}/{key}.",
                        hint="Check what stands between here and the S3 server.",
                    )
                while length > 0 and (chunk := body.read(min(_CHUNK_BYTES, length))):
                    yield chunk
                    length -= len(chunk)
            finally:
                body.close()

    def tags(self, key: str) -> dict[str, str]:
        """The tags of an object as they are now; errors as in `read`."""
        with s3_errors(self._bucket, key):
            answer = self._client.get_object_tagging(Bucket=self._bucket, Key=key)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def _get(self, key: str, etag: str, byte_range: str, version_id: str | None) -> dict[str, Any]:
        version = {"VersionId": version_id} if version_id is not None else {}
        return self._client.get_object(
            Bucket=self._bucket, Key=key, IfMatch=f'"{etag}"', Range=byte_range, **version
        )


@dataclass(frozen=True)
class S3Bytes:
    """One object, in the state that `etag` names, as something to read ranges of."""

    reader: ObjectReader
    key: str
    etag: str
    size_bytes: int

    def read_range(self, offset: int, length: int) -> bytes:
        """See `ObjectReader.read`."""
        return self.reader.read(self.key, self.etag, offset, length)
