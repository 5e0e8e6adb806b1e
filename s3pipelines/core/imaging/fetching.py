"""Getting the bytes of one object to where they are decoded, and what the storage says of it."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

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
from s3pipelines.core.imaging.formats import NOT_IMAGES, WHAT_WOULD, Sniffed, sniff
from s3pipelines.core.imaging.headers import FIRST_BYTES
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.wishes import Item
from s3pipelines.core.storage.ranged_reads import S3Bytes

# Larger files go through a temporary file without a name instead of memory.
IN_MEMORY_BYTES = 32 * 1024 * 1024
# Formats for which there is no reader here, whatever is installed.
_NEVER_READ = frozenset(WHAT_WOULD) - {"fits", "heic", "jp2", "jxl"}


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


class CountedObject(S3Bytes):
    """An object that counts what is read of it; one thread at a time works on an object."""

    bytes_read = 0
    tags: dict[str, str] | None = None

    def read_range(self, offset: int, length: int) -> bytes:
        """See `S3Bytes.read_range`."""
        data = super().read_range(offset, length)
        self._count(len(data))
        return data

    def download(self, file: Any) -> None:
        """Write all of it to a file."""
        self.reader.download(self.key, self.etag, self.size_bytes, file)
        file.flush()
        self._count(self.size_bytes)

    def arriving(self, file: BinaryIO, head: bytes) -> Iterator[bytes]:
        """All of it in pieces, each of which is in the file before it is given.

        Args:
            file: It gets the length of the object at once, and the head.
            head: What was read of it already.
        """
        file.truncate(self.size_bytes)
        file.write(head)
        file.flush()
        return self._pieces(file, head)

    def read_tags(self) -> dict[str, str]:
        """Its tags as they are now; they are kept, as no listing tells them."""
        tags = self.reader.tags(self.key)
        object.__setattr__(self, "tags", tags)
        return tags

    def _pieces(self, file: BinaryIO, head: bytes) -> Iterator[bytes]:
        yield head
        file.seek(len(head))
        for chunk in self.reader.chunks(self.key, self.etag, len(head), self.size_bytes):
            file.write(chunk)
            file.flush()
            self._count(len(chunk))
            yield chunk

    def _count(self, read_bytes: int) -> None:
        object.__setattr__(self, "bytes_read", self.bytes_read + read_bytes)


def check_input(item: Item, most_bytes: int) -> None:
    """Refuse what cannot be decoded whatever is in it.

    Raises:
        Refused: It has no bytes, or more than are fetched.
    """
    if item.size_bytes == 0:
        raise Refused("empty", "The object has no bytes.")
    if item.size_bytes > most_bytes:
        raise Refused(
            "too_large",
            f"It has {item.size_bytes / 1e6:,.0f} MB, the limit is {most_bytes / 1e6:,.0f} MB.",
        )


@contextmanager
def whole(
    source: CountedObject, item: Item, memory: ByteBudget, disk: ByteBudget
) -> Iterator[bytes | BinaryIO]:
    """All of an object: small ones in memory, large ones in a file without a name.

    Raises:
        Refused: Its first bytes show that nothing here reads it.
        StorageError: It cannot be read.
    """
    if item.extension not in READABLE and item.size_bytes > FIRST_BYTES:
        refuse_unreadable(source.read_range(0, FIRST_BYTES), item.extension)
    if item.size_bytes > IN_MEMORY_BYTES:
        with disk.hold(item.size_bytes), tempfile.TemporaryFile() as file:
            source.download(file)
            yield file
        return
    with memory.hold(item.size_bytes):
        yield source.read_range(0, item.size_bytes)


def refuse_unreadable(head: bytes, extension: str) -> Sniffed:
    """What an object is by its first bytes, unless nothing here reads that: it spares the rest.

    Raises:
        Refused: Nothing does.
    """
    sniffed = sniff(head, extension)
    if sniffed is None:
        raise Refused("not_an_image", "Its first bytes are those of no image format that is known.")
    if sniffed.name in NOT_IMAGES:
        raise Refused("not_an_image", f"It is {NOT_IMAGES[sniffed.name]}.")
    if sniffed.name in _NEVER_READ:
        raise Refused("unsupported", WHAT_WOULD[sniffed.name])
    return sniffed


@contextmanager
def object_failures(item: Item) -> Iterator[None]:
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


class TargetFailed(Exception):
    """The place for derivatives cannot be written; carries the error that says why."""


@contextmanager
def target_failures() -> Iterator[None]:
    """Tell what is wrong with the place for derivatives from what is wrong with one object."""
    try:
        yield
    except StorageError as error:
        raise TargetFailed from error
