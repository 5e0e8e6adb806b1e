"""What a pyramid TIFF is made of, read from its directories, and what it should be made of.

Read by our own parser, not by the library that wrote it.
"""

import os
from dataclasses import asdict, dataclass
from typing import Any

from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.sparse import FilePart, SparseFile
from s3pipelines.core.imaging.tiff import Directory, read_tiff

# TIFF's numbers of the codecs.
CODEC_NUMBERS = {
    "none": 1,
    "lzw": 5,
    "jpeg": 7,
    "deflate": 8,
    "jp2k": 33003,
    "zstd": 50000,
    "webp": 50001,
}


@dataclass(frozen=True)
class Structure:
    """The directories of a pyramid.

    Attributes:
        levels: Width and height of each level, the largest first.
        tile_px: Side of a tile; 0 where it is not in square tiles, or not in tiles at all.
        compression: TIFF's number of the codec.
        bands: Channels, alpha included.
        bits: Of one channel.
    """

    levels: tuple[tuple[int, int], ...]
    tile_px: int
    compression: int
    bands: int
    bits: int

    def as_dict(self) -> dict[str, Any]:
        """Its fields, as they are sent."""
        return asdict(self)

    @staticmethod
    def from_dict(fields: dict[str, Any]) -> "Structure":
        """What `as_dict` gave, after it was sent."""
        levels = tuple((width_px, height_px) for width_px, height_px in fields["levels"])
        return Structure(**{**fields, "levels": levels})

    def difference(self, expected: "Structure") -> str | None:
        """The first thing that is not as expected, in words; None if there is none."""
        ours, theirs = asdict(self), asdict(expected)
        for name, value in theirs.items():
            if ours[name] != value:
                return f"Its {name} are {ours[name]} and not {value}."
        return None


def read_structure(descriptor: int) -> Structure:
    """The structure of the pyramid in an open file.

    Raises:
        Refused: It is no TIFF, is cut off, or its levels differ in more than their size.
    """
    size_bytes = os.fstat(descriptor).st_size
    file = SparseFile(size_bytes, [(0, FilePart(descriptor, 0, size_bytes))])
    tiff = read_tiff(file)
    parts = [tiff.first, *(page for page in tiff.pages[1:] if page.reduced), *tiff.levels]
    kinds = {(_tile(p), p.compression, p.bands, p.bits) for p in parts}
    if len(kinds) != 1:
        raise Refused("unverified", "Its levels do not have the same tiles, codec and bands.")
    (tile_px, compression, bands, bits) = kinds.pop()
    levels = tuple((part.width_px, part.height_px) for part in parts)
    return Structure(levels, tile_px, compression, bands, bits)


def expected_structure(
    width_px: int, height_px: int, bands: int, bits: int, params: PyramidParams
) -> Structure:
    """The structure that libvips gives a pyramid: halves, until one tile holds the whole image."""
    levels = [(width_px, height_px)]
    while max(levels[-1]) > params.tile_px and min(levels[-1]) > 1:
        width, height = levels[-1]
        levels.append((width // 2, height // 2))
    number = CODEC_NUMBERS[params.compression]
    return Structure(tuple(levels), params.tile_px, number, bands, bits)


def _tile(directory: Directory) -> int:
    square = directory.tile_width_px == directory.tile_height_px
    return directory.tile_width_px if square else 0
