"""One page of a listing: what it holds, and whether it can be relied on."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from s3pipelines.core.errors import StorageError
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
# None where the server has no id for it, or it is not known whether it has.
LISTED_VERSIONS = LISTED.append(pa.field("version_id", pa.string()))


def nothing_of(schema: pa.Schema) -> pa.RecordBatch:
    """No rows; unlike `from_pylist`, it does not import pandas where there is one, for 0.3 s."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)


_NOT_USABLE = "This server cannot be indexed: check that it is an S3 general purpose bucket."


@dataclass(frozen=True)
class ListingPage:
    """One answer of the server.

    Attributes:
        objects: Rows of schema `LISTED`, or of `LISTED_VERSIONS` where versions were asked for, in
            the order of their UTF-8 keys.
        server_time: The server's own clock when it answered; the only one that may be compared
            with `last_modified`.
        is_last: The listing ends with this page. (A page without objects need not be the last.)
    """

    objects: pa.RecordBatch
    server_time: datetime
    is_last: bool


class NotInOrder(StorageError):
    """The keys of a page do not follow what they were to come after."""

    @classmethod
    def of(cls, location: S3Location, why: str) -> Self:
        """The error about one listing."""
        return cls(f"The listing of {location.uri} {why}.", hint=_NOT_USABLE)


def check_keys(objects: pa.RecordBatch, after: str, location: S3Location) -> str:
    """Make sure that keys strictly grow, from `after` on, and that all have the prefix.

    Everything downstream relies on that; a server without it is refused.

    Returns:
        The last key; `after` if there is none.

    Raises:
        NotInOrder: They do not grow.
        StorageError: A key has another prefix.
    """
    if not objects.num_rows:
        return after
    keys = objects.column("key").cast(pa.binary())
    first, last = keys[0].as_py(), keys[-1].as_py()
    if first <= after.encode():
        raise _not_in_order(location, first, after.encode())
    grows = pc.call_function("greater", [keys[1:], keys[:-1]])
    if grows.false_count:
        at = grows.index(False).as_py()
        raise _not_in_order(location, keys[at + 1].as_py(), keys[at].as_py())
    # In order, so that the first and the last one speak for all between them.
    prefix = location.prefix.encode()
    if not (first.startswith(prefix) and last.startswith(prefix)):
        raise not_usable(location, f"has keys of other prefixes ({first!r} to {last!r})")
    return last.decode()


def _not_in_order(location: S3Location, key: bytes, before: bytes) -> NotInOrder:
    return NotInOrder.of(location, f"is not in key order ({key!r} after {before!r})")


def not_usable(location: S3Location, why: str) -> StorageError:
    """The error that says why a listing cannot be relied on."""
    return StorageError(f"The listing of {location.uri} {why}.", hint=_NOT_USABLE)


def server_time_of(date: str) -> datetime:
    """The server's clock by its `Date` header; where it does not say, this machine's."""
    try:
        told = parsedate_to_datetime(date)
    except ValueError:
        return datetime.now(UTC)
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
