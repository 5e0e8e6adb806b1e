"""Reading the header of one image, from as few bytes of it as will do."""

from dataclasses import fields

from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Failure, Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.protocol import Frame
from s3pipelines.core.imaging.results import Header
from s3pipelines.core.imaging.sparse import ByteSource

# Holds the header of most photographs, with their EXIF data; a request for less costs the same.
FIRST_BYTES = 64 * 1024
# Beyond the first request, small files come whole: another request takes longer than the bytes.
_WHOLE_BYTES = 1024 * 1024
_ROUNDS = 24
_LARGEST = 2**31 - 1


def read_header(pool: DecodePool, source: ByteSource, extension: str) -> Header:
    """Read the header of an image.

    Most take one request of 64 kB. A reader that needs more says what: the directory at the end
    of a TIFF, say. Requests grow, so that few are needed; up to `max_header_bytes` are read.

    Args:
        pool: Where it is decoded.
        source: The file.
        extension: Lower-case ending of its name, for formats that have no magic number.

    Raises:
        Refused: There is no header that can be read, and why.
        StorageError: The source cannot be read.
    """
    parts = _Parts(source, pool.limits)
    if source.size_bytes:
        parts.fetch(0, FIRST_BYTES)
    for _ in range(_ROUNDS):
        answer = pool.ask(parts.request(extension))
        if "need" not in answer.header:
            return _header(answer)
        parts.fetch_more(*answer.header["need"])
    raise Refused("too_large", f"Its header is not found after {_ROUNDS} reads.")


class _Parts:
    """What has been read of a file so far."""

    def __init__(self, source: ByteSource, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._parts: dict[int, bytes] = {}
        self._next_bytes = 4 * FIRST_BYTES

    def request(self, extension: str) -> Frame:
        header = {
            "task": "header",
            "limits": self._limits.as_dict(),
            "extension": extension,
            "size_bytes": self._source.size_bytes,
            "parts": [[offset, len(data)] for offset, data in sorted(self._parts.items())],
        }
        return Frame(header, b"".join(data for _, data in sorted(self._parts.items())))

    def fetch_more(self, offset: int, length: int) -> None:
        size_bytes = self._source.size_bytes
        if size_bytes <= _WHOLE_BYTES:
            return self.fetch(FIRST_BYTES, size_bytes)
        wanted = max(length, self._next_bytes)
        self._next_bytes *= 2
        # Up to the next part that is here already.
        later = [start for start in self._parts if start > offset]
        end = min([offset + wanted, size_bytes, *later])
        return self.fetch(offset, end - offset)

    def fetch(self, offset: int, length: int) -> None:
        held = sum(len(data) for data in self._parts.values())
        most = self._limits.max_header_bytes
        if held + min(length, self._source.size_bytes - offset) > most:
            raise Refused(
                "too_large",
                f"Its header is not in what may be read of it ({most / 1e6:,.0f} MB "
                f"of {self._source.size_bytes / 1e6:,.0f} MB).",
            )
        data = self._source.read_range(offset, length)
        if not data:
            raise Refused("truncated", f"The storage gave nothing at byte {offset:,}.")
        self._parts[offset] = data


def _header(answer: Frame) -> Header:
    raise_failure(answer)
    found = answer.header["header"]
    for name in ("width_px", "height_px", "bands", "bit_depth", "pages"):
        # Beyond, no library goes, and the numbers of a hostile file no longer fit into a column.
        if not 0 <= found[name] <= _LARGEST:
            raise Refused("corrupt", f"Its header says {name} = {found[name]:,}.")
    return Header(**{field.name: found[field.name] for field in fields(Header)})


def raise_failure(answer: Frame) -> None:
    """Raise the failure that an answer reports, if it is one."""
    if "failure" in answer.header:
        failure = Failure(**answer.header["failure"])
        raise Refused(failure.reason, failure.detail)
