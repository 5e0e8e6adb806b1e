"""A large file that is sent in parts, each with its checksum, and appears when that is wanted.

boto3's own transfer ends an upload as soon as the last part is there.
"""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from botocore.client import BaseClient

from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.failures import s3_errors

_MIB = 1024 * 1024
_PART_BYTES = 16 * _MIB
_MOST_PARTS = 10_000
# As many as boto3's transfers of one file here had; each holds a part.
_AT_A_TIME = 4


class PartedUpload:
    """An upload that begins at once, in threads of its own.

    Args:
        client: Of boto3; it may be used by other threads as well.
        target: Bucket and key.
        descriptor: An open file on disk, which must not change; it stays the caller's.
        content_type: What it is.
    """

    def __init__(
        self, client: Any, target: tuple[str, str], descriptor: int, content_type: str
    ) -> None:
        self._client: BaseClient | Any = client
        self._bucket, self._key = target
        self._descriptor = os.dup(descriptor)
        size_bytes = os.fstat(descriptor).st_size
        # 16 MB, or what 10,000 parts of one size need.
        part_bytes = max(_PART_BYTES, -(-size_bytes // _MOST_PARTS))
        self._threads = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="upload")
        self._id = self._threads.submit(self._create, content_type)
        self._parts: list[Future[dict[str, Any]]] = [
            self._threads.submit(self._send, number, offset, part_bytes)
            for number, offset in enumerate(range(0, size_bytes, part_bytes), start=1)
        ]

    def publish(self) -> None:
        """Wait for all parts, and let the object appear.

        Raises:
            StorageError: It cannot be written; what was there is unchanged.
        """
        try:
            with s3_errors(self._bucket, self._key):
                parts = [part.result() for part in self._parts]
                self._client.complete_multipart_upload(
                    **self._named, MultipartUpload={"Parts": parts}
                )
        except BaseException:
            self.call_off()
            raise
        self._end()

    def call_off(self) -> None:
        """Leave nothing of it."""
        for part in self._parts:
            part.cancel()
        self._end()
        if self._id.cancelled() or self._id.exception() is not None:
            return
        # Whoever has no permission to do so has a rule of the bucket, one hopes.
        with suppress(StorageError), s3_errors(self._bucket, self._key):
            self._client.abort_multipart_upload(**self._named)

    @property
    def _named(self) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._key, "UploadId": self._id.result()}

    def _create(self, content_type: str) -> str:
        answer = self._client.create_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            ContentType=content_type,
            ChecksumAlgorithm="SHA256",
        )
        return answer["UploadId"]

    def _send(self, number: int, offset: int, part_bytes: int) -> dict[str, Any]:
        answer = self._client.upload_part(
            **self._named,
            PartNumber=number,
            Body=os.pread(self._descriptor, part_bytes, offset),
            ChecksumAlgorithm="SHA256",
        )
        part = {"PartNumber": number, "ETag": answer["ETag"]}
        # Servers that know no checksums tell none.
        if "ChecksumSHA256" in answer:
            part["ChecksumSHA256"] = answer["ChecksumSHA256"]
        return part

    def _end(self) -> None:
        """Wait for what is under way, and forget the file."""
        self._threads.shutdown()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
