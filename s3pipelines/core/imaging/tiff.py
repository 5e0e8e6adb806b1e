"""The directories of a TIFF, read before any library sees the file.

libvips is asked to read only what its libtiff certainly can: built without zstd it has been seen
to give an all-black image and no error. Layout: TIFF 6.0, section 2, and the BigTIFF proposal.
"""

import struct
from dataclasses import dataclass

from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.sparse import SparseFile

# None, CCITT (three kinds), LZW, JPEG, Deflate (two numbers), PackBits: each compared pixel by
# pixel with Pillow's reading. Anything else goes to Pillow, which refuses what it cannot do.
VIPS_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 7, 8, 32946, 32773})
# What Pillow's own libtiff reads beyond them: old-style JPEG, LZMA, Zstandard.
PILLOW_COMPRESSIONS = VIPS_COMPRESSIONS | {6, 34925, 50000}
COMPRESSION_NAMES = {
    6: "old-style JPEG",
    33003: "JPEG 2000 (Aperio)",
    33005: "JPEG 2000 (Aperio)",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv 24",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
}

_MAX_DIRECTORIES = 64
_MAX_ENTRIES = 4096
_MAX_TEXT = 4096
# Type -> struct format and size; others are never looked at.
_TYPES = {1: "B", 2: "c", 3: "H", 4: "I", 6: "b", 7: "c", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_WHOLE_NUMBERS = frozenset({3, 4, 13, 16, 18})
# Type -> bytes of one value, of all types that there are.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_IMAGE_DESCRIPTION = 270
_WANTED = frozenset({254, 256, 257, 258, 259, 270, 277, 322, 323, 330})


@dataclass(frozen=True)
class Directory:
    """One image of a TIFF: a page, or a part of its first page's pyramid."""

    width_px: int
    height_px: int
    bits: int
    bands: int
    compression: int
    reduced: bool
    tile_width_px: int
    tile_height_px: int
    description: str
    sub_offsets: tuple[int, ...]
    offset: int = 0

    @property
    def tiled(self) -> bool:
        """Its pixels lie in tiles, not in strips."""
        return self.tile_width_px > 0


@dataclass(frozen=True)
class Tiff:
    """The pages of a TIFF, in order (as many as were asked for), and the parts of its first page.

    Attributes:
        pages: The pages.
        levels: The sub-images.
        complete: There are no more of either.
    """

    pages: tuple[Directory, ...]
    levels: tuple[Directory, ...]
    complete: bool = True

    @property
    def first(self) -> Directory:
        """The page that is shown."""
        return self.pages[0]


def read_tiff(file: SparseFile, most_pages: int = _MAX_DIRECTORIES) -> Tiff:
    """Read the directories.

    Args:
        file: The TIFF, of which some parts may be missing.
        most_pages: How many pages are read at most.

    Raises:
        NeedBytes: A directory is in a part of the file that is not here.
        Refused: There is none, or it lies beyond the end of the file.
    """
    layout = Layout(file)
    pages: list[Directory] = []
    seen: set[int] = set()
    offset = layout.first_offset()
    while offset and offset not in seen and len(pages) < most_pages:
        seen.add(offset)
        directory, offset = layout.directory(offset)
        pages.append(directory)
    if not pages:
        raise Refused("corrupt", "The TIFF has no directory.")
    subs = pages[0].sub_offsets
    complete = not offset and len(subs) < _MAX_DIRECTORIES
    return Tiff(tuple(pages), tuple(layout.directory(sub)[0] for sub in subs), complete)


@dataclass(frozen=True)
class Entry:
    """One tag of a directory; `data` is its value, or begins with the offset of it."""

    tag: int
    kind: int
    count: int
    data: bytes


class Layout:
    """Byte order and widths of one file, and how to read a directory with them.

    Attributes:
        big: It is a BigTIFF, with offsets of 64 bits.
    """

    def __init__(self, file: SparseFile) -> None:
        self._file = file
        head = file.read_at(0, 16)
        self._order = "<" if head[:2] == b"II" else ">"
        self.big = head[2:4] in (b"+\0", b"\0+")
        self._head = head.ljust(16, b"\0")

    @property
    def header(self) -> bytes:
        """The header: the first 8 bytes of the file, or 16 of a BigTIFF."""
        return self._head if self.big else self._head[:8]

    @property
    def first_offset_at(self) -> int:
        """Where the header says where the first directory is."""
        return 8 if self.big else 4

    @property
    def inline_bytes(self) -> int:
        """How long a value may be that stands in its directory."""
        return 8 if self.big else 4

    def packed(self, offset: int) -> bytes:
        """An offset as this file has it.

        Raises:
            struct.error: It is beyond what a classic TIFF can hold.
        """
        return struct.pack(self._order + ("Q" if self.big else "I"), offset)

    def long(self, number: int) -> bytes:
        """A number of 32 bits as this file has it."""
        return struct.pack(self._order + "I", number)

    def pack_directory(self, entries: dict[int, tuple[int, int, bytes]], following: int) -> bytes:
        """A directory as this file would have it.

        Args:
            entries: By tag: type, number of values, and the value or the offset of it.
            following: The offset of the next directory; 0: none.
        """
        count, letter = ("Q", "Q") if self.big else ("H", "I")
        parts = [struct.pack(self._order + count, len(entries))]
        for tag, (kind, values, data) in sorted(entries.items()):
            parts.append(struct.pack(f"{self._order}HH{letter}", tag, kind, values))
            parts.append(data.ljust(self.inline_bytes, b"\0"))
        return b"".join([*parts, self.packed(following)])

    def first_offset(self) -> int:
        """Where the first directory is."""
        if self.big:
            return struct.unpack_from(self._order + "Q", self._head, 8)[0]
        return struct.unpack_from(self._order + "I", self._head, 4)[0]

    def directory(self, offset: int) -> tuple[Directory, int]:
        """The directory at `offset`, and the offset of the next one (0: none)."""
        entries, _, following = self.entries(offset)
        wanted = [entry for entry in entries if entry.tag in _WANTED]
        return _directory({entry.tag: self._values(entry) for entry in wanted}, offset), following

    def entries(self, offset: int) -> tuple[list[Entry], int, int]:
        """The tags of the directory at `offset`, its length in bytes, and where the next one is.

        Raises:
            NeedBytes: It is in a part of the file that is not here.
            Refused: It lies beyond the end of the file, or is no directory.
        """
        count_format, entry_size, next_format = ("Q", 20, "Q") if self.big else ("H", 12, "I")
        count_at, value_at, letter = (4, 12, "Q") if self.big else (4, 8, "I")
        (count,) = self._unpack(count_format, offset)
        if count > _MAX_ENTRIES:
            raise Refused("corrupt", f"A TIFF directory claims to have {count:,} entries.")
        start = offset + struct.calcsize(self._order + count_format)
        end = start + count * entry_size
        packed = self._exactly(start, count * entry_size)
        (following,) = self._unpack(next_format, end)
        found: list[Entry] = []
        for at in range(0, len(packed), entry_size):
            tag, kind = struct.unpack_from(self._order + "HH", packed, at)
            (values,) = struct.unpack_from(self._order + letter, packed, at + count_at)
            found.append(Entry(tag, kind, values, packed[at + value_at : at + entry_size]))
        return found, end + struct.calcsize(self._order + next_format) - offset, following

    def outside(self, entry: Entry) -> tuple[int, int] | None:
        """Offset and length in bytes of a value that is not in its directory."""
        length = _SIZES.get(entry.kind, 0) * entry.count
        if length <= len(entry.data):
            return None
        letter = "Q" if self.big else "I"
        return struct.unpack_from(self._order + letter, entry.data)[0], length

    def numbers(self, entry: Entry) -> tuple[int, ...]:
        """All values of an entry; empty if they are no whole numbers.

        Raises:
            NeedBytes: They are in a part of the file that is not here.
            Refused: They lie beyond the end of the file.
        """
        return self._values(entry, entry.count) if entry.kind in _WHOLE_NUMBERS else ()

    def number_at(self, entry: Entry, index: int) -> int:
        """One value of an entry of whole numbers, which may have millions; errors as in `numbers`.

        Raises:
            Refused: There is none at this place.
        """
        if entry.kind not in _WHOLE_NUMBERS or not 0 <= index < entry.count:
            raise Refused("corrupt", f"Tag {entry.tag} of the TIFF lacks a number.")
        at, outside = index * _SIZES[entry.kind], self.outside(entry)
        if outside is None:
            return struct.unpack_from(self._order + _TYPES[entry.kind], entry.data, at)[0]
        return self._unpack(_TYPES[entry.kind], outside[0] + at)[0]

    def value(self, entry: Entry) -> bytes:
        """All bytes of the value of an entry, as they stand in the file; errors as in `numbers`."""
        outside = self.outside(entry)
        length = _SIZES.get(entry.kind, 0) * entry.count
        return entry.data[:length] if outside is None else self._exactly(*outside)

    def _values(self, entry: Entry, most: int = _MAX_DIRECTORIES) -> tuple:
        if entry.kind not in _TYPES:
            return ()
        count = min(entry.count, _MAX_TEXT if entry.kind == 2 else most)
        size = count * _SIZES[entry.kind]
        outside = self.outside(entry)
        data = entry.data if outside is None else self._exactly(outside[0], size)
        return struct.unpack(f"{self._order}{count}{_TYPES[entry.kind]}", data[:size])

    def _unpack(self, letter: str, offset: int) -> tuple:
        packed = self._order + letter
        return struct.unpack(packed, self._exactly(offset, struct.calcsize(packed)))

    def _exactly(self, offset: int, length: int) -> bytes:
        if offset + length > self._file.size_bytes:
            raise Refused("truncated", "The TIFF ends before one of its directories does.")
        return self._file.read_at(offset, length)


def _directory(tags: dict[int, tuple], offset: int) -> Directory:
    def number(tag: int, default: int) -> int:
        values = tags.get(tag) or (default,)
        return values[0] if isinstance(values[0], int) else default

    text = b"".join(part for part in tags.get(_IMAGE_DESCRIPTION, ()) if isinstance(part, bytes))
    return Directory(
        width_px=number(256, 0),
        height_px=number(257, 0),
        bits=number(258, 1),
        bands=number(277, 1),
        compression=number(259, 1),
        reduced=bool(number(254, 0) & 1),
        tile_width_px=number(322, 0),
        tile_height_px=number(323, 0),
        description=text.partition(b"\0")[0].decode("latin-1"),
        sub_offsets=tuple(sub for sub in tags.get(330, ()) if isinstance(sub, int) and sub),
        offset=offset,
    )
