"""The work on one object: fetch, decode, perhaps upload, and the row that tells how it went."""

import hashlib
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from s3pipelines.core.errors import (
    AccessDenied,
    Archived,
    BadCredentials,
    Gone,
    NoSuchBucket,
    PreconditionFailed,
    StorageError,
    WrongRegion,
)
from s3pipelines.core.imaging.extensions import READABLE
from s3pipelines.core.imaging.formats import NOT_IMAGES, WHAT_WOULD, sniff
from s3pipelines.core.imaging.headers import FIRST_BYTES, read_header
from s3pipelines.core.imaging.missing import Item, Work
from s3pipelines.core.imaging.outcomes import MACHINE_REASONS, STORAGE_REASONS, Failure, Refused
from s3pipelines.core.imaging.partly import make_thumbnail_partly
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.results import Thumbnail
from s3pipelines.core.imaging.thumbnails import make_thumbnail, thumbnail_name
from s3pipelines.core.storage.outputs import Outputs
from s3pipelines.core.storage.ranged_reads import ObjectReader, S3Bytes

# Larger files go through a temporary file without a name instead of memory.
_IN_MEMORY_BYTES = 32 * 1024 * 1024
# Larger files may be pyramids, of which a part will do. 8 MB come in 90 ms at 90 MB/s, in which
# three small requests at 30 ms are answered.
_PARTLY_BYTES = 8 * 1024 * 1024
_NO_TIFF = READABLE - {"tif", "tiff", "svs"}


class ByteBudget:
    """Bytes that may be held at a time; who wants more waits. One alone is never refused."""

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = total_bytes
        self._used_bytes = 0
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, size_bytes: int) -> Iterator[None]:
        """Hold so many bytes of it."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._used_bytes or self._used_bytes + size_bytes <= self._total_bytes
            )
            self._used_bytes += size_bytes
        try:
            yield
        finally:
            with self._changed:
                self._used_bytes -= size_bytes
                self._changed.notify_all()


@dataclass(frozen=True)
class Done:
    """One object, done: its row, and what it took."""

    row: dict[str, Any]
    extension: str
    bytes_read: int
    bytes_written: int


@dataclass(frozen=True)
class Steps:
    """What the work on each object of a run shares.

    Attributes:
        target: Where thumbnails go.
        target_uri: Its address, without a trailing slash.
        reader_version: The libraries of the pool.
        memory: Of the images that are fetched whole.
        disk: Of the temporary files of the larger ones.
    """

    work: Work
    reader: ObjectReader
    pool: DecodePool
    target: Outputs
    target_uri: str
    reader_version: str
    memory: ByteBudget
    disk: ByteBudget

    def handle(self, item: Item) -> Done:
        """Work on one object; whatever is wrong with it becomes its row.

        Raises:
            StorageError: Something is wrong that is not about this object: no credentials, no
                such bucket, or a place for derivatives that cannot be written.
        """
        source = _Counted(self.reader, item.key, item.etag, item.size_bytes)
        started = time.monotonic()
        made: dict[str, Any] = {}
        failure: Failure | None = None
        try:
            with _object_failures(item):
                if item.archived:
                    raise Refused("archived", f"Its storage class is {item.storage_class}.")
                made = self._header(source, item) if self._headers else self._thumb(source, item)
        except Refused as refused:
            failure = refused.failure
        row = self._row(item, made, failure, time.monotonic() - started)
        written = row.get("size_bytes") or 0
        return Done(row, item.extension, source.bytes_read, written)

    @property
    def _headers(self) -> bool:
        return self.work.kind == "header"

    def _header(self, source: "_Counted", item: Item) -> dict[str, Any]:
        return asdict(read_header(self.pool, source, item.extension))

    def _thumb(self, source: "_Counted", item: Item) -> dict[str, Any]:
        thumbnail = self._drawn(source, item)
        digest = self.work.params.digest
        name = thumbnail_name(digest, self.work.source_id, item.key, item.etag)
        with _target_failures():
            self.target.put(name, thumbnail.webp)
        return {
            "uri": f"{self.target_uri}/{name}",
            "size_bytes": len(thumbnail.webp),
            "width_px": thumbnail.width_px,
            "height_px": thumbnail.height_px,
            "sha256": hashlib.sha256(thumbnail.webp).hexdigest(),
        }

    def _drawn(self, source: "_Counted", item: Item) -> Thumbnail:
        if item.size_bytes == 0:
            raise Refused("empty", "The object has no bytes.")
        if item.size_bytes > _PARTLY_BYTES and item.extension not in _NO_TIFF:
            extension, params = item.extension, self.work.params
            made = make_thumbnail_partly(self.pool, source, extension, params, self.disk.hold)
            if made is not None:
                return made
        return self._drawn_whole(source, item)

    def _drawn_whole(self, source: "_Counted", item: Item) -> Thumbnail:
        most = self.pool.limits.max_input_bytes
        if item.size_bytes > most:
            raise Refused(
                "too_large",
                f"It has {item.size_bytes / 1e6:,.0f} MB, the limit is {most / 1e6:,.0f} MB.",
            )
        if item.extension not in READABLE and item.size_bytes > FIRST_BYTES:
            _refuse_unreadable(source.read_range(0, FIRST_BYTES), item.extension)
        params = self.work.params
        if item.size_bytes > _IN_MEMORY_BYTES:
            with self.disk.hold(item.size_bytes), tempfile.TemporaryFile() as file:
                source.download(file)
                return make_thumbnail(self.pool, file, item.extension, params)
        with self.memory.hold(item.size_bytes):
            data = source.read_range(0, item.size_bytes)
            return make_thumbnail(self.pool, data, item.extension, params)

    def _row(
        self, item: Item, made: dict[str, Any], failure: Failure | None, duration_s: float
    ) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(self.work.table.column_names)
        row |= made
        row |= {
            "source": self.work.source_id,
            "key": item.key,
            "etag": item.etag,
            "error": failure.reason if failure else None,
            "error_detail": failure.detail if failure else None,
            "reader_version": self.reader_version,
        }
        if self._headers:
            return row | {"read_at": datetime.now(UTC)}
        return row | {
            "kind": "thumbnail",
            "params_digest": self.work.params.digest,
            "status": _status(failure),
            "duration_s": duration_s,
            "made_at": datetime.now(UTC),
        }


class TargetFailed(Exception):
    """The place for derivatives cannot be written; carries the error that says why."""


class _Counted(S3Bytes):
    """An object that counts what is read of it; one thread at a time works on an object."""

    bytes_read = 0

    def read_range(self, offset: int, length: int) -> bytes:
        data = super().read_range(offset, length)
        object.__setattr__(self, "bytes_read", self.bytes_read + len(data))
        return data

    def download(self, file: Any) -> None:
        self.reader.download(self.key, self.etag, self.size_bytes, file)
        file.flush()
        object.__setattr__(self, "bytes_read", self.bytes_read + self.size_bytes)


@contextmanager
def _object_failures(item: Item) -> Iterator[None]:
    """What the storage says about one object becomes a row; what concerns all of them does not."""
    try:
        yield
    except Archived as error:
        # Not in its class: INTELLIGENT_TIERING moved it.
        raise Refused("archived", f"{item.storage_class}: {error.message}") from error
    except Gone as error:
        raise Refused("gone", error.message) from error
    except PreconditionFailed as error:
        raise Refused("changed", error.message) from error
    except AccessDenied as error:
        raise Refused("access_denied", error.message) from error
    except (NoSuchBucket, BadCredentials, WrongRegion):
        raise
    except StorageError as error:
        # Also what S3 says with a code of its own: a key of KMS that is gone, SSE-C. One such
        # object must not stop the others.
        raise Refused("unreachable", error.message) from error
    except OSError as error:  # No room for its temporary file.
        raise Refused("unreachable", f"It cannot be fetched to this machine: {error}.") from error


@contextmanager
def _target_failures() -> Iterator[None]:
    try:
        yield
    except StorageError as error:
        raise TargetFailed from error


def _refuse_unreadable(head: bytes, extension: str) -> None:
    """Spare the rest of an object whose first bytes show that nothing here reads it."""
    sniffed = sniff(head, extension)
    if sniffed is None:
        raise Refused("not_an_image", "Its first bytes are those of no image format that is known.")
    if sniffed.name in NOT_IMAGES:
        raise Refused("not_an_image", f"It is {NOT_IMAGES[sniffed.name]}.")
    if sniffed.name in _NEVER_READ:
        raise Refused("unsupported", WHAT_WOULD[sniffed.name])


# Formats for which there is no reader here, whatever is installed.
_NEVER_READ = frozenset(WHAT_WOULD) - {"fits", "heic", "jp2", "jxl"}


def _status(failure: Failure | None) -> str:
    if failure is None:
        return "ok"
    if failure.reason == "archived":
        return "skipped"
    return "failed" if failure.reason in STORAGE_REASONS | MACHINE_REASONS else "quarantined"
