"""EXIF data for a TIFF that libvips wrote: its saver keeps ICC and XMP, but no EXIF.

The first directory is written anew at the end of the file, with the tags that are added, and the
header points there. Nothing that was written is moved, so all offsets stay as they are. Layout:
TIFF 6.0, section 2, the BigTIFF proposal, and Exif 2.32, section 4.6.3.
"""

import os
from typing import Any

from PIL import Image, TiffImagePlugin

from s3pipelines.core.imaging import pillow
from s3pipelines.core.imaging.sparse import FilePart, SparseFile
from s3pipelines.core.imaging.tiff import Layout

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
# Who, when, with what: Make, Model, Software, DateTime, Artist, Copyright.
_TEXTS = (271, 272, 305, 306, 315, 33432)
# In their directories: an interoperability directory that is not copied, and sizes that may no
# longer hold (PixelXDimension, PixelYDimension).
_LEFT_OUT = frozenset({0xA005, 0xA002, 0xA003})
_ASCII, _LONG, _LONG8 = 2, 4, 16
_LONGEST_TEXT = 64 * 1024
_LONGEST_DIRECTORY = 1024 * 1024
# What a segment of a JPEG holds.
_LONGEST_SEGMENT = 65_000


def add_exif(descriptor: int, exif: Image.Exif | None) -> None:
    """Add what is in `exif` to the first directory of a TIFF, but for its orientation.

    Args:
        descriptor: The file, as libvips wrote it.
        exif: Of the image that it was made from; what cannot be written is left out.
    """
    if exif is None:
        return
    size_bytes = os.fstat(descriptor).st_size
    layout = Layout(SparseFile(size_bytes, [(0, FilePart(descriptor, 0, size_bytes))]))
    writer = _Writer(descriptor, layout)
    for tag in _TEXTS:
        writer.add_text(tag, exif.get(tag))
    for tag in (_EXIF_IFD, _GPS_IFD):
        writer.add_directory(tag, exif)
    writer.finish()


class _Writer:
    """The first directory of a file, and what is added to it."""

    def __init__(self, descriptor: int, layout: Layout) -> None:
        self._descriptor = descriptor
        self._layout = layout
        entries, _, self._following = layout.entries(layout.first_offset())
        self._entries = {entry.tag: entry for entry in entries}
        self._added: dict[int, tuple[int, int, bytes]] = {}

    def add_text(self, tag: int, value: Any) -> None:
        if not isinstance(value, str) or not value.strip("\0 ") or tag in self._entries:
            return
        data = value.rstrip("\0").encode(errors="replace")[:_LONGEST_TEXT] + b"\0"
        inline = len(data) <= self._layout.inline_bytes
        stored = data if inline else self._layout.packed(self._append(data))
        self._added[tag] = (_ASCII, len(data), stored)

    def add_directory(self, tag: int, exif: Image.Exif) -> None:
        try:
            values = {k: v for k, v in exif.get_ifd(tag).items() if k not in _LEFT_OUT}
            packed = self._serialized(values, 0)
            if not values or len(packed) > _LONGEST_DIRECTORY:
                return
            offset = self._append(packed)
            os.pwrite(self._descriptor, self._serialized(values, offset), offset)
        except pillow.DAMAGED:
            return
        kind = _LONG8 if self._layout.big else _LONG
        self._added[tag] = (kind, 1, self._layout.packed(offset))

    def finish(self) -> None:
        """Write the directory, and then the header that points to it."""
        if not self._added:
            return
        kept = {e.tag: (e.kind, e.count, e.data) for e in self._entries.values()}
        offset = self._append(self._layout.pack_directory(kept | self._added, self._following))
        os.pwrite(self._descriptor, self._layout.packed(offset), self._layout.first_offset_at)

    def _serialized(self, values: dict[int, Any], offset: int) -> bytes:
        directory = TiffImagePlugin.ImageFileDirectory_v2(self._layout.header)
        for tag, value in values.items():
            directory[tag] = value
        return directory.tobytes(offset)

    def _append(self, data: bytes) -> int:
        """Where it is now; on an even offset, as the format wants it."""
        offset = -(-os.fstat(self._descriptor).st_size // 2) * 2
        _pwrite_all(self._descriptor, data, offset)
        return offset


def _pwrite_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def exif_blob(exif: Image.Exif) -> bytes | None:
    """What is in `exif`, but for its orientation, as formats other than TIFF carry it.

    Returns:
        None where there is nothing that can be written.
    """
    made = Image.Exif()
    for tag in _TEXTS:
        value = exif.get(tag)
        if isinstance(value, str) and value.strip("\0 "):
            made[tag] = value[:_LONGEST_TEXT]
    try:
        for tag in (_EXIF_IFD, _GPS_IFD):
            values = {k: v for k, v in exif.get_ifd(tag).items() if k not in _LEFT_OUT}
            if values:
                made[tag] = values
        blob = made.tobytes() if len(made) else b""
    except pillow.DAMAGED:
        return None
    return blob if 0 < len(blob) <= _LONGEST_SEGMENT else None
