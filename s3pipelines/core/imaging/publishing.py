"""Bringing a pyramid to its place while it is still being verified; it appears only afterwards.

Of a photograph of 108 megapixels, verifying takes as long as sending what came of it.
"""

import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO, Self

from s3pipelines.core.storage.derived_files import DerivedFiles, Upload

_CONTENT_TYPE = "image/tiff"
_CHUNK_BYTES = 1024 * 1024


class Publishing:
    """One file on its way; whatever was not published at the end of its block leaves nothing.

    Args:
        target: Where it goes.
        file: An open file on disk, which a worker writes.
    """

    def __init__(self, target: DerivedFiles, file: BinaryIO) -> None:
        self._target = target
        self._file = file
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hashing")
        self._begun: tuple[str, Upload, Future[tuple[str, int]]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._call_off()
        self._thread.shutdown()

    def begin(self, name: str) -> None:
        """Begin to send the file as it is now; what was begun before is called off."""
        self._call_off()
        upload = self._target.begin(name, self._file, _CONTENT_TYPE)
        self._begun = name, upload, self._thread.submit(sha256_of, self._file)

    def publish(self, name: str) -> tuple[str, int]:
        """Let the file appear.

        Returns:
            Its SHA-256 and its size in bytes.

        Raises:
            InvalidInput: It cannot have this name.
            StorageError: The place cannot be written.
        """
        if self._begun is None or self._begun[0] != name:
            self.begin(name)
        assert self._begun is not None
        _, upload, digest = self._begun
        known = digest.result()
        upload.publish()
        self._begun = None
        return known

    def _call_off(self) -> None:
        if self._begun is not None:
            _, upload, digest = self._begun
            self._begun = None
            upload.call_off()
            digest.cancel()


def sha256_of(file: BinaryIO) -> tuple[str, int]:
    """The SHA-256 of an open file, and its size in bytes; its position is left alone."""
    file.flush()
    digest, size_bytes = hashlib.sha256(), 0
    while chunk := os.pread(file.fileno(), _CHUNK_BYTES, size_bytes):
        digest.update(chunk)
        size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes
