"""Which bytes of a TIFF make the thumbnail: its directories, and the pixels of one level."""

from itertools import pairwise

from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.sparse import SparseFile
from s3pipelines.core.imaging.tiff import VIPS_COMPRESSIONS, Layout, Tiff
from s3pipelines.core.imaging.tiff_levels import chosen_level

Part = tuple[int, int]

# Offsets and byte counts, of tiles and of strips.
_PIXELS = ((324, 325), (273, 279))
# Directories that tags of a directory name: EXIF and GPS.
_MORE_DIRECTORIES = frozenset({34665, 34853})
# A gap is read with what is around it: another request takes as long as some 100 kB.
_GAP_BYTES = 64 * 1024
_MOST_PARTS = 10_000


def parts_for_level(file: SparseFile, tiff: Tiff, box_px: int) -> list[Part] | None:
    """The parts of a TIFF from which libvips makes a thumbnail for a square of `box_px`.

    libtiff reads every directory with all its values to count the pages, so that these are among
    the parts, whatever level is chosen.

    Returns:
        Pairs of offset and length, in order and apart from each other; None where it cannot be
        told, or where they are no less than half of the file.

    Raises:
        NeedBytes: A part that is needed to tell is not here.
        Refused: A directory lies beyond the end of the file.
    """
    _, level = chosen_level(tiff, box_px)
    if not tiff.complete or level.compression not in VIPS_COMPRESSIONS:
        return None
    layout = Layout(file)
    found: list[Part] = []
    for directory in (*tiff.pages, *tiff.levels):
        found += _of_directory(layout, directory.offset)
    pixels = _of_pixels(layout, level.offset)
    if not pixels:
        return None
    parts = coalesced([*found, *pixels], file.size_bytes)
    enough = sum(length for _, length in parts) * 2 <= file.size_bytes
    return parts if enough and len(parts) <= _MOST_PARTS else None


def coalesced(parts: list[Part], size_bytes: int) -> list[Part]:
    """The same parts in order, within the file, and with none close to the next one."""
    joined: list[list[int]] = []
    for offset, length in sorted(parts):
        end = min(offset + length, size_bytes)
        if end <= offset:
            continue
        if joined and offset <= joined[-1][1] + _GAP_BYTES:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([offset, end])
    assert all(one[1] < other[0] for one, other in pairwise(joined))
    return [(start, end - start) for start, end in joined]


def _of_directory(layout: Layout, offset: int, deeper: bool = True) -> list[Part]:
    entries, length, _ = layout.entries(offset)
    outside = [layout.outside(entry) for entry in entries]
    found = [(offset, length), *(part for part in outside if part is not None)]
    for entry in entries if deeper else ():
        if entry.tag in _MORE_DIRECTORIES:
            for more in layout.numbers(entry)[:1]:
                found += _of_directory(layout, more, deeper=False)
    return found


def _of_pixels(layout: Layout, offset: int) -> list[Part]:
    entries = {entry.tag: entry for entry in layout.entries(offset)[0]}
    for offsets, lengths in _PIXELS:
        if offsets in entries and lengths in entries:
            where, how_long = layout.numbers(entries[offsets]), layout.numbers(entries[lengths])
            if len(where) != len(how_long):
                raise Refused("corrupt", "A TIFF has not as many lengths as it has tiles.")
            return list(zip(where, how_long, strict=True))
    return []
