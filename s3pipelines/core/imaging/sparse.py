"""A file of which some parts are here: readers of headers ask for the rest by an exception.

So a decode worker never waits for the network. It reads until something is missing and says what;
whoever holds the connection fetches it, and the worker starts again, which costs less than a
millisecond.
"""

import io
import os
from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class ByteSource(Protocol):
    """Something of known size that can be read in ranges: an object on S3, or bytes at hand."""

    @property
    def size_bytes(self) -> int:
        """Size of the whole, in bytes."""
        ...

    def read_range(self, offset: int, length: int) -> bytes:
        """The bytes from `offset`, `length` of them or up to the end; raises `StorageError`."""
        ...


class BytesSource:
    """Bytes at hand as a `ByteSource`."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size_bytes(self) -> int:
        """See `ByteSource`."""
        return len(self._data)

    def read_range(self, offset: int, length: int) -> bytes:
        """See `ByteSource`."""
        return self._data[offset : offset + length]


class FilePart:
    """A part of an open file, sliced like bytes; it takes no memory and no address space."""

    def __init__(self, descriptor: int, offset: int, length: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._length)
        return os.pread(self._descriptor, max(stop - start, 0), self._offset + start)


Piece = bytes | memoryview | FilePart


class NeedBytes(Exception):
    """A reader came to a part that is not here."""

    def __init__(self, offset: int, length: int) -> None:
        super().__init__(offset, length)
        self.offset = offset
        self.length = length


class SparseFile(io.RawIOBase):
    """A read-only file over the parts that are here.

    Args:
        size_bytes: Size of the whole file.
        parts: Pairs of offset and bytes; they may touch, but not overlap.
    """

    def __init__(self, size_bytes: int, parts: Iterable[tuple[int, Piece]]) -> None:
        super().__init__()
        self.size_bytes = size_bytes
        self.missing: NeedBytes | None = None
        self._parts = sorted(parts, key=lambda part: part[0])
        self._starts = [offset for offset, _ in self._parts]
        self._position = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """The bytes from `offset`, fewer only at the end of the file.

        Raises:
            NeedBytes: Some of them are not here; the same is kept in `missing`.
        """
        end = min(offset + max(length, 0), self.size_bytes)
        pieces: list[bytes] = []
        while offset < end:
            piece = self._piece(offset, end)
            if not piece:
                self.missing = NeedBytes(offset, end - offset)
                raise self.missing
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def _piece(self, offset: int, end: int) -> bytes:
        index = bisect_right(self._starts, offset) - 1
        if index < 0:
            return b""
        start, data = self._parts[index]
        return bytes(data[offset - start : end - start])

    def read(self, size: int = -1, /) -> bytes:
        """See `io.RawIOBase`."""
        wanted = self.size_bytes - self._position if size is None or size < 0 else size
        data = self.read_at(self._position, wanted)
        self._position += len(data)
        return data

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """See `io.RawIOBase`."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """See `io.IOBase`."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def tell(self) -> int:
        """See `io.IOBase`."""
        return self._position

    def close(self) -> None:
        """Keep it usable: a buffer over it closes it when it is forgotten, and there is no need."""

    def readable(self) -> bool:
        """See `io.IOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.IOBase`."""
        return True
