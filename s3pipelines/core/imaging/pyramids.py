"""Pyramids: where they lie, what they may cost, and how one is made."""

from dataclasses import dataclass
from typing import BinaryIO

from s3pipelines.core.imaging.arriving import Arriving
from s3pipelines.core.imaging.headers import raise_failure
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.process import Written
from s3pipelines.core.imaging.protocol import Frame
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.results import Spent
from s3pipelines.core.imaging.structure import Structure

_GIB = 1024 * 1024 * 1024
# Every pixel is decoded and encoded, so an image may take longer than for a thumbnail: of
# 108 megapixels, WebP takes 12 s.
PYRAMID_LIMITS = Limits(
    max_pixels=4_000_000_000, max_input_bytes=8 * _GIB, wall_s=900, max_output_bytes=64 * _GIB
)


@dataclass(frozen=True)
class Pyramid:
    """A pyramid that was made, and found to show what it was made from.

    Attributes:
        structure: What it is made of.
        psnr_db: How close the worst sample is to the image; None where all are equal.
        samples: How many samples were compared.
        pages: The numbers of all pages of the image, from 0.
        saving: What decoding and encoding took.
        proving: What it took to compare it with the image.
    """

    structure: Structure
    psnr_db: float | None
    samples: int
    pages: tuple[int, ...]
    saving: Spent
    proving: Spent

    @property
    def width_px(self) -> int:
        """Its width, upright."""
        return self.structure.levels[0][0]

    @property
    def height_px(self) -> int:
        """Its height, upright."""
        return self.structure.levels[0][1]


@dataclass(frozen=True)
class Input:
    """The image of which a pyramid is made.

    Attributes:
        data: The whole file, as bytes or, where it is large, as an open file on disk.
        extension: Lower-case ending of its name, for formats that have no magic number.
        arriving: The same in pieces, which are written to the file before they are given; the file
            has its length and its first 64 kB then, and the format is one that is read in order.
    """

    data: bytes | BinaryIO
    extension: str
    arriving: Arriving | None = None


def make_pyramid(
    pool: DecodePool,
    image: Input,
    params: PyramidParams,
    output: BinaryIO,
    *,
    page: int | None = None,
    written: Written | None = None,
) -> Pyramid:
    """Make the pyramid of one page of an image, and compare it with the page.

    Args:
        pool: Where it is decoded and encoded; its workers may write files.
        image: The image.
        params: How the pyramid is to be.
        output: An open file on disk, which is overwritten.
        page: Which page; None: the first.
        written: Is told the numbers of all pages when the file is there, but not verified yet, and
            again if it had to be made in another way. The worker reads the file meanwhile, and the
            position in it is the worker's.

    Raises:
        Refused: There is no pyramid, and why. The file then holds anything.
        Exception: What `arriving` raises.
    """
    header = {
        "task": "pyramid",
        "limits": pool.limits.as_dict(),
        "extension": image.extension,
        "params": params.as_dict(),
        "page": page,
    }
    if isinstance(image.data, bytes):
        request = Frame(header, image.data, (output.fileno(),))
    else:
        request = Frame(header, descriptors=(image.data.fileno(), output.fileno()))
    large = not isinstance(image.data, bytes)
    answer = pool.ask(request, image.arriving, written, large=large)
    raise_failure(answer)
    made = answer.header["pyramid"]
    structure = Structure.from_dict(made["structure"])
    return Pyramid(
        structure,
        made["psnr_db"],
        made["samples"],
        tuple(answer.header["pages"]),
        Spent(**made["saving"]),
        Spent(**made["proving"]),
    )


def codecs_of(pool: DecodePool) -> list[str]:
    """The codecs that the libvips of this machine writes into a TIFF, and reads again."""
    return pool.ask(Frame({"task": "codecs", "limits": pool.limits.as_dict()})).header["codecs"]


def structure_of(pool: DecodePool, file: BinaryIO) -> Structure:
    """What a pyramid in an open file is made of.

    Raises:
        Refused: It is none.
    """
    request = {"task": "structure", "limits": pool.limits.as_dict()}
    answer = pool.ask(Frame(request, descriptors=(file.fileno(),)))
    raise_failure(answer)
    return Structure.from_dict(answer.header["structure"])
