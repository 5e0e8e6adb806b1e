"""One conversion of one image, as whoever has a pool of workers asks for it."""

from dataclasses import dataclass
from typing import BinaryIO

from s3pipelines.core.imaging.conversion.recipe import ConversionRecipe
from s3pipelines.core.imaging.headers import raise_failure
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.protocol import Frame

_GIB = 1024 * 1024 * 1024
# As for pyramids: every pixel is decoded and encoded. On one core of a busy machine AVIF took 1.1 s
# a megapixel with effort 4, and 13 s with effort 9, of which 60 megapixels are too many.
CONVERSION_LIMITS = Limits(
    max_pixels=4_000_000_000, max_input_bytes=8 * _GIB, wall_s=900, max_output_bytes=32 * _GIB
)


@dataclass(frozen=True)
class Converted:
    """An image that was made, and found to show what was meant.

    Attributes:
        width_px: Its width.
        height_px: Its height.
        bands: Its channels, alpha included.
        bits: Of one channel.
        psnr_db: How close the worst sample is to what was meant; None where all are equal.
        samples: How many samples were compared.
    """

    width_px: int
    height_px: int
    bands: int
    bits: int
    psnr_db: float | None
    samples: int


def convert_image(
    pool: DecodePool,
    data: bytes | BinaryIO,
    extension: str,
    recipe: ConversionRecipe,
    output: BinaryIO,
) -> Converted:
    """Convert the first page of an image, and compare what was written with what was meant.

    Args:
        pool: Where it is decoded and encoded; its workers may write files.
        data: The whole file, as bytes or, where it is large, as an open file on disk.
        extension: Lower-case ending of its name, for formats that have no magic number.
        recipe: What is to be done.
        output: An open file on disk, which is overwritten.

    Raises:
        Refused: It was not done, and why. The file then holds anything.
    """
    header = {
        "task": "convert",
        "limits": pool.limits.as_dict(),
        "extension": extension,
        "recipe": recipe.model_dump(mode="json"),
    }
    if isinstance(data, bytes):
        request = Frame(header, data, (output.fileno(),))
    else:
        request = Frame(header, descriptors=(data.fileno(), output.fileno()))
    answer = pool.ask(request)
    raise_failure(answer)
    return Converted(**answer.header["converted"])


def formats_of(pool: DecodePool) -> dict[str, list[str]]:
    """The formats that this machine writes, and reads again; TIFF with its codecs."""
    request = Frame({"task": "writers", "limits": pool.limits.as_dict()})
    return pool.ask(request).header["writers"]
