"""What an output format is: its options, what it can hold, and how close its files must be."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from s3pipelines.core.imaging.conversion.told import Colour, Told

Metadata = Literal["icc", "exif", "xmp", "iptc"]
ALL: frozenset[Metadata] = frozenset({"icc", "exif", "xmp", "iptc"})
WEB: frozenset[Metadata] = frozenset({"icc", "exif", "xmp"})
NONE: frozenset[Metadata] = frozenset()
_NO_LIMIT_PX = 2**31 - 1
_DB_PER_QUALITY = 0.12


@dataclass(frozen=True)
class Holds:
    """What a file of a format, written with these options, can hold.

    Attributes:
        bits: Largest depth of a channel; 32: measurements as they are, too.
        grey: One channel stays one; else grey becomes RGB.
        alpha: What is transparent stays so.
        cmyk: CMYK stays so.
        metadata: What it can carry beside the pixels.
        largest_px: Largest width and height.
        as_a_whole: It is encoded from all pixels at once, and not line by line.
        used_alpha: It has an alpha channel only where something is transparent.
        hard_alpha: What is half transparent is either seen or not.
    """

    bits: int = 8
    grey: bool = True
    alpha: bool = True
    cmyk: bool = False
    metadata: frozenset[Metadata] = ALL
    largest_px: int = _NO_LIMIT_PX
    as_a_whole: bool = False
    used_alpha: bool = False
    hard_alpha: bool = False


class Output(Told):
    """One output format; a subclass for each, registered in `OUTPUTS`.

    Attributes:
        name: As recipes write it.
        title: For people.
        extension: Of keys.
        content_type: Of objects.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    extension: ClassVar[str]
    content_type: ClassVar[str]

    format: str = Field(description="The format.")
    background: Colour = Field(
        "#ffffff", description="What is transparent is put on it where the format has no alpha."
    )

    @property
    def lossy(self) -> bool:
        """The pixels of the file are only about those that were meant."""
        return False

    @property
    def holds(self) -> Holds:
        """What a file can hold."""
        return Holds()

    @property
    def least_db(self) -> float:
        """Least PSNR of a lossy file, in the mean of the bands.

        White noise, the worst that there is, keeps 14 dB in a JPEG of quality 1 and 28 at 75;
        photographs keep some 10 more. Black in place of a photograph: 5 to 10.
        """
        return 0.0


def db_of_quality(at_least: float, quality: int) -> float:
    """Least PSNR at a quality of 1 to 100."""
    return at_least + _DB_PER_QUALITY * quality


def db_of_palette(colours: int) -> float:
    """Least PSNR with so many colours."""
    # White noise kept 22.6 dB with 16 colours and 31 with 256; black in its place, 6.5.
    return 3.0 + math.log2(colours)
