"""An object as a file that is open for reading: whatever is read of it is fetched then, in ranges.

Pillow, h5py, tifffile, zipfile and PyArrow read such files; what they never ask for is not fetched.
"""

import io
import os
from typing import Any

from s3pipelines.core.datasets.member_reader import MemberReader
from s3pipelines.core.datasets.members import Member

# Read ahead: S3 takes as long for one byte as for half a megabyte.
BUFFER_BYTES = 1024 * 1024


class ObjectFile(io.RawIOBase):
    """One object, in the state that its ETag names; reads that meet another one fail.

    Args:
        reader: Reads it.
        member: The object.
    """

    def __init__(self, reader: MemberReader, member: Member) -> None:
        super().__init__()
        self.name = member.name
        self._reader = reader
        self._member = member
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere; costs nothing."""
        self._refuse_closed()
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._member.size_bytes}
        if whence not in base:
            raise ValueError(f"There is no whence {whence}.")
        at = base[whence] + offset
        if at < 0:
            raise ValueError(f"There is nothing before the beginning ({at}).")
        self._at = at
        return at

    def readinto(self, buffer: Any) -> int:
        """Fetch as many bytes as fit, up to the end.

        Raises:
            PreconditionFailed: The object was overwritten meanwhile.
            StorageError: It cannot be read.
        """
        self._refuse_closed()
        view = memoryview(buffer).cast("B")
        length = max(0, min(len(view), self._member.size_bytes - self._at))
        body = self._reader.read(self._member, self._at, length)
        view[: len(body)] = body
        self._at += len(body)
        return len(body)

    def _refuse_closed(self) -> None:
        if self.closed:
            raise ValueError("The file is closed.")
