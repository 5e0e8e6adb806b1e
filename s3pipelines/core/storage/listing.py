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
        is_last: The listing ends with this page. (A page without objects need not be the last.)
    """

    objects: pa.RecordBatch
    server_time: datetime
    is_last: bool


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
        page = page_of(response, location)
        last_key = _checked_keys(page.objects, last_key, location)
        yield page
        if page.is_last:
            return
        token = response["NextContinuationToken"]
        if token == request.get("ContinuationToken") and not page.objects.num_rows:
            raise _not_usable(location, "does not get on")
        request["ContinuationToken"] = token


def page_of(response: dict[str, Any], location: S3Location) -> ListingPage:
    """What one answer to ListObjectsV2 says of `location`.

    Raises:
        StorageError: It is not a listing that can be relied on.
    """
    # An empty answer, or another XML document than a listing (a proxy's, say), must not pass for
    # the listing of an empty bucket: the index of the source would be emptied.
    if "IsTruncated" not in response:
        raise _not_usable(location, "does not say whether it is complete")
    is_last = not response["IsTruncated"]
    if not is_last and not response.get("NextContinuationToken"):
        raise _not_usable(location, "says that it goes on, but not how")
    try:
        objects = _objects(response.get("Contents", []))
    except KeyError as error:
        raise _not_usable(location, f"has objects without {error}") from error
    return ListingPage(objects, server_time_of(response), is_last)


def _objects(contents: list[dict[str, Any]]) -> pa.RecordBatch:
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
    return pa.RecordBatch.from_arrays(arrays, schema=LISTED)


def server_time_of(response: dict[str, Any]) -> datetime:
    """The server's clock when it answered; where it did not say, this machine's."""
    date = response["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        told = parsedate_to_datetime(date)
    except ValueError:
        return datetime.now(UTC)
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)


def _checked_keys(objects: pa.RecordBatch, last_key: bytes, location: S3Location) -> bytes:
    """Everything downstream relies on keys that strictly grow; a server without that is refused."""
    keys = objects.column("key").cast(pa.binary()).to_pylist()
    for key in keys:
        if key <= last_key:
            raise _not_usable(location, f"is not in key order ({key!r} after {last_key!r})")
        last_key = key
    # In order, so that the first and the last one speak for all between them.
    prefix = location.prefix.encode()
    if keys and not (keys[0].startswith(prefix) and keys[-1].startswith(prefix)):
        raise _not_usable(location, f"has keys of other prefixes ({keys[0]!r} to {keys[-1]!r})")
    return last_key


def _not_usable(location: S3Location, why: str) -> StorageError:
    return StorageError(
        f"The listing of {location.uri} {why}.",
        hint="This server cannot be indexed: check that it is an S3 general purpose bucket.",
    )
