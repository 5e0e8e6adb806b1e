"""Multipart uploads that were begun and are not finished: listed, looked into, ended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from s3pipelines.core.errors import AccessDenied, Gone, InvalidInput
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.failures import s3_errors


@dataclass(frozen=True)
class Unfinished:
    """An upload.

    Attributes:
        key: What the object is to be called.
        upload_id: Names the upload.
        begun_at: When it was begun, by the server's clock.
        age_s: How long ago that was when it was listed, by the same clock.
        storage_class: Of the object to be.
        begun_by: Who began it, as far as the server says.
    """

    key: str
    upload_id: str
    begun_at: datetime
    age_s: float
    storage_class: str
    begun_by: str


@dataclass(frozen=True)
class Part:
    """A part that has arrived; `age_s` by the server's clock."""

    number: int
    etag: str
    size_bytes: int
    age_s: float


class Uploads:
    """The unfinished uploads of one bucket; may be shared by threads.

    Args:
        access: How to reach the bucket.
        bucket: Its name.
    """

    def __init__(self, access: Access, bucket: str) -> None:
        self.bucket = bucket
        self._client: BaseClient = s3_client(access)

    def list(self, prefix: str = "", most: int | None = None) -> Iterator[Unfinished]:
        """The uploads below a prefix, by key.

        Raises:
            AccessDenied: They may not be listed (s3:ListBucketMultipartUploads).
            StorageError: They cannot be listed.
        """
        asked: dict[str, Any] = {"Bucket": self.bucket, "Prefix": prefix}
        if most is not None:
            asked["MaxUploads"] = most
        while True:
            with s3_errors(self.bucket):
                answer = self._client.list_multipart_uploads(**asked)
            now = _server_time(answer)
            for entry in answer.get("Uploads", []):
                yield _upload(entry, now)
            if not answer.get("IsTruncated") or most is not None:
                return
            asked["KeyMarker"] = answer.get("NextKeyMarker", "")
            asked["UploadIdMarker"] = answer.get("NextUploadIdMarker", "")

    def parts(self, key: str, upload_id: str) -> Iterator[Part]:
        """The parts of an upload that have arrived, by number.

        Raises:
            Gone: There is no such upload (any more).
            StorageError: They cannot be listed.
        """
        asked: dict[str, Any] = {"Bucket": self.bucket, "Key": key, "UploadId": upload_id}
        while True:
            with s3_errors(self.bucket, key):
                try:
                    answer = self._client.list_parts(**asked)
                except ClientError as error:
                    _raise_if_gone(error, self.bucket, key)
                    raise
            now = _server_time(answer)
            for entry in answer.get("Parts", []):
                age_s = _age_s(now, entry["LastModified"])
                yield Part(entry["PartNumber"], entry["ETag"].strip('"'), entry["Size"], age_s)
            if not answer.get("IsTruncated"):
                return
            asked["PartNumberMarker"] = answer["NextPartNumberMarker"]

    def begin(self, key: str, **described: str) -> str:
        """Begin an upload, and tell its id.

        Args:
            key: What the object is to be called.
            **described: As boto3 has it, such as `ContentType`.

        Raises:
            StorageError: It cannot be begun.
        """
        with s3_errors(self.bucket, key):
            answer = self._client.create_multipart_upload(Bucket=self.bucket, Key=key, **described)
        return answer["UploadId"]

    def complete(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> str:
        """Make the object of its parts, and tell its ETag.

        Args:
            key: What it is called.
            upload_id: The upload.
            parts: Numbers and ETags, by number.

        Raises:
            Gone: There is no such upload (any more).
            InvalidInput: A part has not arrived, or is too small.
            StorageError: It cannot be completed.
        """
        listed = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        with s3_errors(self.bucket, key):
            try:
                answer = self._client.complete_multipart_upload(
                    Bucket=self.bucket,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": listed},
                )
            except ClientError as error:
                _raise_if_gone(error, self.bucket, key)
                _raise_if_incomplete(error, self.bucket, key)
                raise
        return answer.get("ETag", "").strip('"')

    def may_send(self, key: str) -> bool:
        """Whether anything can be written; tried with an upload that is called off.

        Raises:
            StorageError: It cannot be tried, for another reason than that it is denied.
        """
        upload_id = ""
        try:
            upload_id = self.begin(key)
            with s3_errors(self.bucket, key):
                self._client.upload_part(
                    Bucket=self.bucket, Key=key, UploadId=upload_id, PartNumber=1, Body=b""
                )
        except AccessDenied:
            return False
        finally:
            if upload_id:
                self.abort(key, upload_id)
        return True

    def abort(self, key: str, upload_id: str) -> bool:
        """Call an upload off, and free what its parts take; tells whether it was there.

        Raises:
            StorageError: It cannot be called off.
        """
        with s3_errors(self.bucket, key):
            try:
                self._client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
            except ClientError as error:
                if _code(error) == "NoSuchUpload":
                    return False
                raise
        return True


def _upload(entry: dict[str, Any], now: datetime) -> Unfinished:
    by = entry.get("Initiator", {})
    return Unfinished(
        key=entry["Key"],
        upload_id=entry["UploadId"],
        begun_at=entry["Initiated"],
        age_s=_age_s(now, entry["Initiated"]),
        storage_class=entry.get("StorageClass", "STANDARD"),
        begun_by=by.get("DisplayName") or by.get("ID", ""),
    )


def _age_s(now: datetime, then: datetime) -> float:
    """Never negative: a server may tell milliseconds of an upload, and none of its own time."""
    return max(0.0, (now - then).total_seconds())


def _server_time(answer: dict[str, Any]) -> datetime:
    """The server's own clock: an age by that of this machine could be wrong by hours."""
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(said) if said else datetime.now(UTC)


def _raise_if_gone(error: ClientError, bucket: str, key: str) -> None:
    if _code(error) == "NoSuchUpload":
        raise Gone(
            f"There is no such unfinished upload of s3://{bucket}/{key}.",
            hint="It was completed or called off; 's3pipelines uploads list' shows what there is.",
        ) from error


def _raise_if_incomplete(error: ClientError, bucket: str, key: str) -> None:
    if _code(error) in ("InvalidPart", "InvalidPartOrder"):
        raise InvalidInput(
            f"Not every part of s3://{bucket}/{key} has arrived as it is named.",
            hint="Upload the missing parts again, and complete it then.",
        ) from error
    if _code(error) == "EntityTooSmall":
        raise InvalidInput(
            f"A part of s3://{bucket}/{key} is smaller than 5 MiB, and is not the last one.",
            hint="Upload it again with a larger part size.",
        ) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
