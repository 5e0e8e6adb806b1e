"""Thumbnails of large pyramids from a small part of the file: a slide of 2 GB takes a few MB.

The worker says which parts it needs, they are fetched into a file with holes, and the worker makes
the thumbnail from it. It never takes a hole for zeros: what it comes to and is not there, it asks
for.
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import BinaryIO

from s3pipelines.core.imaging.headers import FIRST_BYTES, raise_failure
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.protocol import Frame
from s3pipelines.core.imaging.results import Thumbnail
from s3pipelines.core.imaging.sparse import ByteSource
from s3pipelines.core.imaging.thumbnails import ThumbnailParams, thumbnail_of_answer

# A directory and its values lie together, as a rule.
_MORE_BYTES = 128 * 1024
_REQUEST_BYTES = 8 * 1024 * 1024
# A slide of eight levels takes some twenty, of a request each.
_ROUNDS = 100

Hold = Callable[[int], AbstractContextManager[None]]


def make_thumbnail_partly(
    pool: DecodePool, source: ByteSource, extension: str, params: ThumbnailParams, hold: Hold
) -> Thumbnail | None:
    """Make the thumbnail of a TIFF from the parts of it that show it small.

    Args:
        pool: Where it is decoded.
        source: The file.
        extension: Lower-case ending of its name.
        params: How the thumbnail is to be.
        hold: Called with the bytes of disk that are wanted; they may be used within its block.

    Returns:
        None where only the whole file will do: it is no TIFF, or has no small level.

    Raises:
        Refused: There is no thumbnail, and why.
        StorageError: The source cannot be read.
    """
    with tempfile.TemporaryFile() as file:
        held = _Held(source, file)
        held.fetch(0, FIRST_BYTES)
        answer = _asked(pool, held, "parts", extension, params)
        parts = answer and answer.header["parts"]
        if not parts:
            return None
        with hold(sum(length for _, length in parts)):
            for offset, length in parts:
                held.fetch(offset, length)
            answer = _asked(pool, held, "thumbnail", extension, params)
            return answer and thumbnail_of_answer(answer)


def _asked(
    pool: DecodePool, held: "_Held", task: str, extension: str, params: ThumbnailParams
) -> Frame | None:
    """The worker's answer, with everything fetched that it asks for; None if that is too much."""
    most_bytes = max(held.source.size_bytes // 2, pool.limits.max_header_bytes)
    for _ in range(_ROUNDS):
        header = {
            "task": task,
            "limits": pool.limits.as_dict(),
            "extension": extension,
            "box_px": params.box_px,
            "quality": params.quality,
            "held": held.parts,
        }
        answer = pool.ask(Frame(header, descriptors=(held.file.fileno(),)))
        raise_failure(answer)
        if "need" not in answer.header:
            return answer
        offset, length = answer.header["need"]
        if held.held_bytes + length > most_bytes:
            return None
        held.fetch(offset, max(length, _MORE_BYTES))
    return None


class _Held:
    """A file with holes, and which parts of it are there."""

    def __init__(self, source: ByteSource, file: BinaryIO) -> None:
        self.source = source
        self.file = file
        self.parts: list[tuple[int, int]] = []
        os.truncate(file.fileno(), source.size_bytes)

    @property
    def held_bytes(self) -> int:
        return sum(length for _, length in self.parts)

    def fetch(self, offset: int, length: int) -> None:
        """Fetch what is not there yet of a part."""
        end = min(offset + length, self.source.size_bytes)
        while offset < end:
            known = next((one for one in self.parts if one[0] <= offset < one[0] + one[1]), None)
            if known is not None:
                offset = known[0] + known[1]
                continue
            later = [start for start, _ in self.parts if start > offset]
            until = min([end, offset + _REQUEST_BYTES, *later])
            data = self.source.read_range(offset, until - offset)
            if not data:
                return  # The worker will say that the file is cut off.
            os.pwrite(self.file.fileno(), data, offset)
            self.parts.append((offset, len(data)))
            offset += len(data)
