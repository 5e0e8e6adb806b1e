"""The file that came with a request: at hand, or still arriving while it is decoded."""

import os
from typing import Any

import pyvips

from s3pipelines.core.imaging.sparse import SparseFile

_CHUNK_BYTES = 1024 * 1024


class Given:
    """A file that may be read once as it arrives, and any number of times when it is there.

    Args:
        data: All of it. What has not arrived yet are zeros, which nothing here looks at.
        stream: A descriptor that gives it from its beginning, as it arrives; it is then this
            object's.

    Attributes:
        came_as_stream: It was read as it arrived.
    """

    def __init__(self, data: memoryview, stream: int | None = None) -> None:
        self._data = data
        self._stream = stream
        self._begun = False
        self.came_as_stream = stream is not None

    @property
    def arriving(self) -> bool:
        """It has not been seen whole yet."""
        return self._stream is not None

    def head(self, most_bytes: int = 65536) -> SparseFile:
        """The file as its format is told by; of one that is arriving, only its head is there."""
        data = self._data[:most_bytes] if self.arriving else self._data
        return SparseFile(len(self._data), [(0, data)])

    def source(self) -> Any:
        """Something that libvips reads it from: the first time as it arrives."""
        if self._stream is not None and not self._begun:
            self._begun = True
            return pyvips.Source.new_from_descriptor(self._stream)
        return pyvips.Source.new_from_memory(self.whole())

    def whole(self) -> memoryview:
        """All of it; waits until it has arrived."""
        if self._stream is not None:
            while os.read(self._stream, _CHUNK_BYTES):
                pass
            self.close()
        return self._data

    def close(self) -> None:
        """Read no more of what arrives."""
        if self._stream is not None:
            os.close(self._stream)
            self._stream = None

    def file(self) -> SparseFile:
        """The same for whoever wants to seek in it."""
        whole = self.whole()
        return SparseFile(len(whole), [(0, whole)])
