"""Listing the objects below a prefix, page by page, in key order, as Arrow batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pyarrow as pa

from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.locations import S3Location

LISTED = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("last_modified", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("storage_class", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class ListingPage:
    """One answer of the server.

    Attributes:
        objects: Rows of schema `LISTED`, in the order of their UTF-8 keys.
        server_time: The server's own clock when it answered; the only one that may be compared
            with `last_modified`.
    """

    objects: pa.RecordBatch
    server_time: datetime


def list_pages(
    access: Access, location: S3Location, *, start_after: str = "", page_size: int = 1000
) -> Iterator[ListingPage]:
    """List every object below `location` whose key sorts after `start_after`.

    Args:
        access: How to reach the bucket.
        location: Bucket and prefix.
        start_after: A full key; empty for all.
        page_size: Most keys per request (S3 gives at most 1,000).

    Yields:
        Pages of up to `page_size` objects; the last one may be empty.

    Raises:
        StorageError: The listing failed, or its order cannot be relied on. What was yielded
            before is then a part of the listing, never the whole.
    """
    client = s3_client(access)
    request: dict[str, Any] = {
        "Bucket": location.bucket,
        "Prefix": location.prefix,
        "MaxKeys": page_size,
    }
    if start_after:
        request["StartAfter"] = start_after
    last_key = start_after.encode()
    while True:
        with s3_errors(location.bucket):
            response = client.list_objects_v2(**request)
        page = _page(response)
        last_key = _checked_order(page.objects, last_key, location)
        yield page
        if not response.get("IsTruncated"):
            return
        request["ContinuationToken"] = response["NextContinuationToken"]


def _page(response: dict[str, Any]) -> ListingPage:
    contents = response.get("Contents", [])
    columns = [
        [entry["Key"] for entry in contents],
        [entry["Size"] for entry in contents],
        [entry["ETag"].strip('"') for entry in contents],
        [entry["LastModified"] for entry in contents],
        [entry.get("StorageClass") or "STANDARD" for entry in contents],
    ]
    arrays = [
        pa.array(values, type=field.type) for values, field in zip(columns, LISTED, strict=True)
    ]
    return ListingPage(
        pa.RecordBatch.from_arrays(arrays, schema=LISTED), _server_time(response)
    )


def _server_time(response: dict[str, Any]) -> datetime:
    date = response["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)


def _checked_order(objects: pa.RecordBatch, last_key: bytes, location: S3Location) -> bytes:
    """Everything downstream relies on keys that strictly grow; a server without that is refused."""
    for key in objects.column("key").cast(pa.binary()).to_pylist():
        if key <= last_key:
            raise StorageError(
                f"The listing of {location.uri} is not in key order ({key!r} after {last_key!r}).",
                hint="This server (or S3 Express directory bucket) cannot be indexed.",
            )
        last_key = key
    return last_key
