"""URLs that let somebody without credentials do one thing with one object, for a while.

Signed on this machine: nobody is asked. Always by signature version 4, as only that binds headers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.config import Config

from s3pipelines.core.errors import BadCredentials, StorageError
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import botocore_session, client_of, s3_client
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.options import place_of

MOST_EXPIRES_S = 7 * 24 * 3600
# Headers of a PUT by the names that boto3 has for them.
_HEADERS = {
    "ContentType": "content-type",
    "ContentLength": "content-length",
    "ChecksumSHA256": "x-amz-checksum-sha256",
}


_PAYER = "x-amz-request-payer"


@dataclass(frozen=True)
class Signed:
    """A request that anybody may send.

    Attributes:
        method: GET, PUT, POST or DELETE.
        url: Its URL.
        headers: What must be sent with it, exactly so.
        fields: Of a form (`multipart/form-data`), which the file follows as the last field.
        expires_at: Until when; credentials that end earlier end it, too.
        is_temporary: It was signed with credentials that end by themselves.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    fields: Mapping[str, str]
    expires_at: datetime
    is_temporary: bool


class Presigner:
    """Signs requests about the objects of one bucket.

    Args:
        access: Whose permissions the URLs have.
        bucket: The bucket.
        expires_s: How long they hold, in seconds.

    Raises:
        BadCredentials: There are none to sign with.
        StorageError: On AWS, the bucket cannot be asked where it lies.
    """

    def __init__(self, access: Access, bucket: str, expires_s: int) -> None:
        session = botocore_session(access)
        endpoint, region = place_of(session, client_of(session, access), access, bucket)
        session = botocore_session(access)  # boto3 makes one client of a session.
        self._bucket = bucket
        self._expires_s = expires_s
        with s3_errors(bucket):
            credentials = None if access.anonymous else session.get_credentials()
            frozen = credentials.get_frozen_credentials() if credentials else None
        if frozen is None or not frozen.access_key:
            raise BadCredentials(
                f"There are no credentials to sign a URL of s3://{bucket} with.",
                hint="Set AWS_PROFILE, log in, or name a source that is not anonymous.",
            )
        self._is_temporary = bool(frozen.token)
        self._ends_at: datetime | None = getattr(credentials, "_expiry_time", None)
        # By default botocore names no region in the host, and S3 redirects such a URL, which breaks
        # its signature; with a dot in its name, a bucket's host has no certificate.
        regional = endpoint is None and "." not in bucket
        style = {"s3": {"addressing_style": "virtual"}} if regional else {}
        self._client = client_of(
            session,
            replace(access, region=region),
            otherwise=Config(signature_version="s3v4", **style),
        )

    def get(self, key: str, **described: str) -> Signed:
        """Read an object; `described` are arguments of boto3's `get_object`."""
        return self._signed("get_object", "GET", {"Key": key, **described})

    def put(self, key: str, **described: Any) -> Signed:
        """Write an object with one PUT.

        Args:
            key: Its key.
            **described: `ContentType`, `ContentLength`, `ChecksumSHA256`: what is named must be
                sent exactly so.

        Raises:
            StorageError: A header would not be bound by the signature.
        """
        signed = self._signed("put_object", "PUT", {"Key": key, **described})
        headers = {_HEADERS[name]: str(value) for name, value in described.items()}
        if free := sorted(set(headers) - _bound_headers(signed.url)):
            raise StorageError(
                f"The signature does not bind the header {free[0]!r}.",
                hint="Presign without it, or upgrade botocore.",
            )
        return replace(signed, headers={**signed.headers, **headers})

    def post(
        self, key: str, fields: Mapping[str, str], least_bytes: int, most_bytes: int
    ) -> Signed:
        """Write an object with a form, of a size within bounds, which S3 sees to.

        Args:
            key: Its key.
            fields: More fields that must be sent exactly so.
            least_bytes: Fewer are refused.
            most_bytes: More are refused.
        """
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        conditions.append(["content-length-range", least_bytes, most_bytes])
        with s3_errors(self._bucket, key):
            form = self._client.generate_presigned_post(
                self._bucket,
                key,
                Fields=dict(fields),
                Conditions=conditions,
                ExpiresIn=self._expires_s,
            )
        return self._made("POST", form["url"], form["fields"])

    def part(self, key: str, upload_id: str, number: int) -> Signed:
        """Send one part of an upload."""
        asked = {"Key": key, "UploadId": upload_id, "PartNumber": number}
        return self._signed("upload_part", "PUT", asked)

    def list_parts(self, key: str, upload_id: str, after: int) -> Signed:
        """Tell which parts of an upload have arrived: a thousand, of those after a number."""
        asked = {"Key": key, "UploadId": upload_id, "PartNumberMarker": after}
        return self._signed("list_parts", "GET", asked)

    def look(self, key: str) -> Signed:
        """Tell what is at a key, without its bytes."""
        return self._signed("head_object", "HEAD", {"Key": key})

    def complete(self, key: str, upload_id: str) -> Signed:
        """Complete an upload; the body lists its parts."""
        asked = {"Key": key, "UploadId": upload_id}
        return self._signed("complete_multipart_upload", "POST", asked)

    def abort(self, key: str, upload_id: str) -> Signed:
        """Call an upload off."""
        asked = {"Key": key, "UploadId": upload_id}
        return self._signed("abort_multipart_upload", "DELETE", asked)

    def _signed(self, operation: str, method: str, asked: Mapping[str, Any]) -> Signed:
        with s3_errors(self._bucket, asked["Key"]):
            url = self._client.generate_presigned_url(
                operation, Params={"Bucket": self._bucket, **asked}, ExpiresIn=self._expires_s
            )
        signed = self._made(method, url, {})
        if _PAYER in _bound_headers(url):
            return replace(signed, headers={_PAYER: "requester"})
        return signed

    def _made(self, method: str, url: str, fields: Mapping[str, str]) -> Signed:
        expires_at = datetime.now(UTC) + timedelta(seconds=self._expires_s)
        if self._ends_at is not None:
            expires_at = min(expires_at, self._ends_at)
        return Signed(
            method, url, {}, fields, expires_at.replace(microsecond=0), self._is_temporary
        )


def require_there(access: Access, bucket: str, key: str) -> None:
    """Make sure that there is an object to read.

    Raises:
        Gone: There is none.
        StorageError: It cannot be asked for.
    """
    with s3_errors(bucket, key):
        s3_client(access).head_object(Bucket=bucket, Key=key)


def _bound_headers(url: str) -> set[str]:
    """The headers that must be sent as they were signed."""
    return set(parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"][0].split(";"))
