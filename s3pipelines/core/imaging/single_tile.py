"""One tile out of a pyramid, from a few ranges of the file: as a small TIFF, and drawn.

The tile is not decoded here. Its bytes, and the tags that say how they are to be understood, become
a TIFF of one tile, which a confined worker reads like any other image.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from s3pipelines.core.imaging.headers import raise_failure
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.protocol import Frame
from s3pipelines.core.imaging.sparse import ByteSource, SparseFile
from s3pipelines.core.imaging.tiff import Directory, Entry, Layout, read_tiff

TILE_TYPE = "image/webp"
_QUALITY = 90
_WIDTH, _HEIGHT, _BITS, _CONFIGURATION = 256, 257, 258, 284
_OFFSETS, _LENGTHS = 324, 325
_PROFILE = 34675
_LONG = 4
# How pixels are coded and meant: bits, codec, photometric interpretation, order of bits, bands,
# configuration, predictor, colour map, tile's sides, extra samples, format, JPEG's tables, YCbCr.
_COPIED = frozenset(
    {258, 259, 262, 266, 277, 284, 317, 320, 322, 323, 338, 339, 347, 529, 530, 531, 532, _PROFILE}
)
_INTERLEAVED = 1
# Of both orders of bytes: TIFF, and BigTIFF.
_MAGIC = frozenset({b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"})
_MOST_VALUE_BYTES = 8 * 1024 * 1024
_MOST_TILE_BYTES = 64 * 1024 * 1024
_BLOCK_BYTES = 64 * 1024
_MOST_BLOCKS = 32


class BlockFile(SparseFile):
    """A file elsewhere, of which blocks are kept; may be shared by threads.

    Only for directories: of the offsets of a million tiles, those that are asked for are read.
    """

    def __init__(self, source: ByteSource) -> None:
        super().__init__(source.size_bytes, [])
        self._source = source
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def read_at(self, offset: int, length: int) -> bytes:
        """See `SparseFile.read_at`; raises `StorageError` instead of `NeedBytes`."""
        end = min(offset + max(length, 0), self.size_bytes)
        if end - offset > _MOST_VALUE_BYTES:
            raise Refused("corrupt", "A value in the TIFF is longer than any can be.")
        pieces: list[bytes] = []
        while offset < end:
            number, start = divmod(offset, _BLOCK_BYTES)
            piece = self._block(number)[start : start + end - offset]
            if not piece:
                raise Refused("truncated", "The TIFF is shorter than its row says.")
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def _block(self, number: int) -> bytes:
        with self._lock:
            if number in self._blocks:
                self._blocks.move_to_end(number)
                return self._blocks[number]
        data = self._source.read_range(number * _BLOCK_BYTES, _BLOCK_BYTES)
        with self._lock:
            self._blocks[number] = data
            while len(self._blocks) > _MOST_BLOCKS:
                self._blocks.popitem(last=False)
        return data


@dataclass(frozen=True)
class Level:
    """One level of a pyramid.

    Attributes:
        width_px: Its width.
        height_px: Its height.
        columns: How many tiles are beside each other.
        rows: How many are above each other.
    """

    width_px: int
    height_px: int
    columns: int
    rows: int


class PyramidFile:
    """A pyramid TIFF somewhere, of which single tiles are read; may be shared by threads.

    Attributes:
        levels: The smallest first; each has twice the size of the one before.
        tile_px: Side of a tile.

    Raises:
        Refused: It is no pyramid in square tiles.
        StorageError: It cannot be read.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        file = BlockFile(source)
        if file.read_at(0, 4) not in _MAGIC:
            raise Refused("unsupported", "It is no TIFF.")
        self._layout = Layout(file)
        tiff = read_tiff(file)
        parts = [tiff.first, *(page for page in tiff.pages[1:] if page.reduced), *tiff.levels]
        self._directories = sorted(parts, key=lambda part: (part.width_px, part.height_px))
        self.tile_px = tiff.first.tile_width_px
        if not self.tile_px or any(not _alike(part, tiff.first) for part in parts):
            raise Refused("unsupported", "It has no square tiles, or not the same in all levels.")
        self.levels = tuple(_level(part) for part in self._directories)

    def tile(self, level: int, column: int, row: int) -> bytes:
        """One tile as a TIFF of its own, without what lies beyond the edge of the image.

        Args:
            level: Its place in `levels`.
            column: From 0, at the left.
            row: From 0, at the top.

        Raises:
            IndexError: There is no such tile.
            Refused: The file is damaged.
            StorageError: It cannot be read.
        """
        if not 0 <= level < len(self.levels):
            raise IndexError(level)
        size = self.levels[level]
        if not (0 <= column < size.columns and 0 <= row < size.rows):
            raise IndexError(column, row)
        entries = self._entries(self._directories[level])
        where = row * size.columns + column
        data = self._pixels(entries, where)
        width_px = min(self.tile_px, size.width_px - column * self.tile_px)
        height_px = min(self.tile_px, size.height_px - row * self.tile_px)
        return self._alone(entries, data, width_px, height_px)

    @property
    def needs_sample(self) -> bool:
        """Its numbers may be measurements, which are made visible by a look at the whole."""
        return self._directories[-1].bits != 8

    @property
    def may_be_transparent(self) -> bool:
        """It has more bands than colours, or is CMYK."""
        return self._directories[-1].bands not in (1, 3)

    def _entries(self, directory: Directory) -> dict[int, Entry]:
        entries = {entry.tag: entry for entry in self._layout.entries(directory.offset)[0]}
        if _PROFILE not in entries:
            first = self._layout.entries(self._directories[-1].offset)[0]
            entries |= {entry.tag: entry for entry in first if entry.tag == _PROFILE}
        return entries

    def _pixels(self, entries: dict[int, Entry], where: int) -> bytes:
        planes = entries.get(_CONFIGURATION)
        if planes is not None and self._layout.number_at(planes, 0) != _INTERLEAVED:
            raise Refused("unsupported", "The bands of its pixels lie apart from each other.")
        if _OFFSETS not in entries or _LENGTHS not in entries:
            raise Refused("corrupt", "The TIFF does not say where its tiles are.")
        offset = self._layout.number_at(entries[_OFFSETS], where)
        length = self._layout.number_at(entries[_LENGTHS], where)
        if length > _MOST_TILE_BYTES:
            raise Refused("too_large", f"A tile of {length:,} bytes is too large.")
        here = length and offset + length <= self._source.size_bytes
        data = self._source.read_range(offset, length) if here else b""
        if not here or len(data) != length:
            raise Refused("truncated", "A tile of the TIFF is missing, or cut off.")
        return data

    def _alone(
        self, entries: dict[int, Entry], data: bytes, width_px: int, height_px: int
    ) -> bytes:
        layout = self._layout
        copied = [entry for tag, entry in entries.items() if tag in _COPIED]
        values = {e.tag: (e.kind, e.count, layout.value(e)) for e in copied}
        for tag, number in ((_WIDTH, width_px), (_HEIGHT, height_px), (_LENGTHS, len(data))):
            values[tag] = (_LONG, 1, layout.long(number))
        values[_OFFSETS] = (_LONG, 1, layout.long(0))
        unfilled = {tag: (kind, count, b"") for tag, (kind, count, _) in values.items()}
        start = len(layout.header) + len(layout.pack_directory(unfilled, 0))
        behind: list[bytes] = []
        for tag, (kind, count, value) in sorted(values.items()):
            if len(value) > layout.inline_bytes:
                values[tag] = (kind, count, layout.packed(start))
                padded = value + b"\0" * (len(value) % 2)
                behind.append(padded)
                start += len(padded)
        values[_OFFSETS] = (_LONG, 1, layout.long(start))
        head = layout.header[: layout.first_offset_at] + layout.packed(len(layout.header))
        return b"".join([head, layout.pack_directory(values, 0), *behind, data])


def draw_single_tile(
    pool: DecodePool, pyramid: PyramidFile, level: int, column: int, row: int
) -> bytes:
    """One tile of a pyramid as a WebP in sRGB; arguments and errors as in `PyramidFile.tile`.

    Raises:
        Refused: It cannot be decoded, as well.
    """
    tile = pyramid.tile(level, column, row)
    sample = pyramid.tile(0, 0, 0) if pyramid.needs_sample else b""
    header = {
        "task": "tile",
        "limits": pool.limits.as_dict(),
        "quality": _QUALITY,
        "at": len(sample),
    }
    answer = pool.ask(Frame(header, sample + tile))
    raise_failure(answer)
    return bytes(answer.body)


def _alike(part: Directory, first: Directory) -> bool:
    square = part.tile_width_px == part.tile_height_px == first.tile_width_px
    return square and part.width_px > 0 and part.height_px > 0


def _level(directory: Directory) -> Level:
    width_px, height_px, tile_px = (
        directory.width_px,
        directory.height_px,
        directory.tile_width_px,
    )
    return Level(width_px, height_px, -(-width_px // tile_px), -(-height_px // tile_px))
