"""What comes back of one image: plain values that any process can hold without an image library."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Header:
    """What an image says of itself.

    Attributes:
        format: Short name of the format (`jpeg`, `png`, `tiff` …).
        width_px: Width as stored, before the orientation is applied.
        height_px: Height as stored.
        bands: Channels, alpha included.
        bit_depth: Bits of one channel of one pixel.
        interpretation: What the bands mean, in libvips' words (`srgb`, `b-w`, `rgb16`, `cmyk` …).
        pages: Pages, frames or sub-images; 1 for most.
        orientation: EXIF orientation, 1 (upright) to 8.
        has_icc: There is an embedded colour profile.
        has_xmp: There is an XMP packet.
        exif: Flat JSON object of the readable EXIF tags, at most 64 kB; None for none.
    """

    format: str
    width_px: int
    height_px: int
    bands: int
    bit_depth: int
    interpretation: str
    pages: int
    orientation: int
    has_icc: bool
    has_xmp: bool
    exif: str | None


@dataclass(frozen=True)
class Thumbnail:
    """A WebP image that fits into the box that was asked for.

    Attributes:
        webp: The file.
        width_px: Its width, upright.
        height_px: Its height, upright.
    """

    webp: bytes
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Spent:
    """What a step took.

    Attributes:
        wall_s: From its beginning to its end.
        cpu_s: Processor time of all threads of the worker.
    """

    wall_s: float
    cpu_s: float


class Stopwatch:
    """Measures one step after the other."""

    def __init__(self) -> None:
        self._began = self._now()

    def lap(self) -> Spent:
        """What was spent since the last call, or since there is this watch."""
        before, self._began = self._began, self._now()
        return Spent(self._began[0] - before[0], self._began[1] - before[1])

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.monotonic(), time.process_time()
