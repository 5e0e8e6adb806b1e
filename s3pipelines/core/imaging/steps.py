"""The work on one object: fetch, decode, perhaps upload, and the rows that tell how it went."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from s3pipelines.core.imaging.fetching import CountedObject, object_failures
from s3pipelines.core.imaging.making import Maker
from s3pipelines.core.imaging.outcomes import MACHINE_REASONS, STORAGE_REASONS, Failure, Refused
from s3pipelines.core.imaging.wishes import Item, Work
from s3pipelines.core.storage.ranged_reads import ObjectReader


@dataclass(frozen=True)
class Done:
    """One object, done.

    Attributes:
        rows: What it gave; the last one tells how it went.
        extension: Of its name.
        bytes_read: Fetched of it.
        tags: Its tags, where they were asked for.
    """

    rows: list[dict[str, Any]]
    extension: str
    bytes_read: int
    tags: dict[str, str] | None = None

    @property
    def outcome(self) -> dict[str, Any]:
        """The row that tells how it went."""
        return self.rows[-1]

    @property
    def bytes_written(self) -> int:
        """Of all that was made of it."""
        return sum(row.get("size_bytes") or 0 for row in self.rows)


@dataclass(frozen=True)
class Steps:
    """What the work on each object of a run shares.

    Attributes:
        work: What is wanted.
        reader: Of the source.
        maker: Makes it.
        reader_version: The libraries that it is made with.
    """

    work: Work
    reader: ObjectReader
    maker: Maker
    reader_version: str

    def handle(self, item: Item) -> Done:
        """Work on one object; whatever is wrong with it becomes its row.

        Raises:
            StorageError: Something is wrong that is not about this object: no credentials, no
                such bucket.
            TargetFailed: The place for derivatives cannot be written.
        """
        source = CountedObject(self.reader, item.key, item.etag, item.size_bytes)
        started = time.monotonic()
        rows: list[dict[str, Any]] = []
        try:
            with object_failures(item):
                if item.archived:
                    raise Refused("archived", f"Its storage class is {item.storage_class}.")
                for fields in self.maker.make(source, item):
                    # One by one: what was made before an error stays.
                    rows.append(self._row(item, fields, time.monotonic() - started))  # noqa: PERF401
        except Refused as refused:
            rows.append(self._row(item, _told(refused.failure), time.monotonic() - started))
        return Done(rows, item.extension, source.bytes_read, source.tags)

    def _row(self, item: Item, fields: dict[str, Any], duration_s: float) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(self.work.table.column_names)
        row |= {
            "source": self.work.source_id,
            "key": item.key,
            "etag": item.etag,
            "reader_version": self.reader_version,
        }
        if self.work.kind == "header":
            return row | {"read_at": datetime.now(UTC)} | fields
        return row | {
            "kind": self.work.kind,
            "params_digest": item.params_digest or self.work.digest,
            "status": status_of(fields.get("error")),
            "duration_s": duration_s,
            "made_at": datetime.now(UTC),
            **fields,
        }


def _told(failure: Failure) -> dict[str, Any]:
    return {"error": failure.reason, "error_detail": failure.detail}


def status_of(reason: str | None) -> str:
    """The `status` of a row of `derivatives` with this `error`."""
    if reason is None:
        return "ok"
    if reason == "archived":
        return "skipped"
    return "failed" if reason in STORAGE_REASONS | MACHINE_REASONS else "quarantined"
