"""What is at the target already, as S3 lists it, and what that means for the rows that go there."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.listing.pages import NotInOrder
from s3pipelines.core.storage.listing.parallel import list_parts
from s3pipelines.core.storage.listing.ranges import Span
from s3pipelines.core.storage.listing.serial import list_pages
from s3pipelines.core.storage.locations import S3Location

_COLUMNS = ("key", "size_bytes", "etag", "last_modified")


class OnExisting(StrEnum):
    """What is done where the target exists already."""

    fail = "fail"
    skip = "skip"
    overwrite = "overwrite"
    if_newer = "if_newer"


_VERDICTS = {
    OnExisting.fail: "CASE WHEN existing.key IS NOT NULL THEN 'exists' END",
    OnExisting.skip: "CASE WHEN existing.key IS NOT NULL THEN 'exists' END",
    OnExisting.overwrite: "NULL",
    OnExisting.if_newer: "CASE WHEN existing.last_modified >= drawn.last_modified "
    "THEN 'not_newer' END",
}


@dataclass(frozen=True)
class Existing:
    """A listing of the target.

    Attributes:
        path: A Parquet file with key, size, ETag and time of each object.
        policy: What is done about them.
    """

    path: Path
    policy: OnExisting

    @property
    def verdict(self) -> str:
        """Why a row is not to be carried out, as SQL over `drawn` and `existing`."""
        return _VERDICTS[self.policy]


def list_existing(
    access: Access, location: S3Location, policy: OnExisting, path: Path
) -> Existing | None:
    """List the target into a file; None if there is nothing.

    Args:
        access: How to reach it.
        location: Its bucket, and what every target key begins with.
        policy: What is done about what is there.
        path: The file to write.

    Raises:
        StorageError: It cannot be listed.
    """
    try:
        rows = _write(_by_ranges(access, location), path)
    except NotInOrder:
        rows = _write((page.objects for page in list_pages(access, location)), path)
    return Existing(path, policy) if rows else None


def _by_ranges(access: Access, location: S3Location) -> Iterator[pa.RecordBatch]:
    return (part.page.objects for part in list_parts(access, location, [Span("", None)]))


def _write(pages: Iterator[pa.RecordBatch], path: Path) -> int:
    rows, writer = 0, None
    try:
        for objects in pages:
            if not objects.num_rows:
                continue
            kept = objects.select(list(_COLUMNS))
            writer = writer or pq.ParquetWriter(path, kept.schema, compression="lz4")
            writer.write_batch(kept)
            rows += kept.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows
