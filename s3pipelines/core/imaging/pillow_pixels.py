"""The pixels of an image that Pillow decoded, as an image of libvips."""

from dataclasses import dataclass
from typing import Any

import pyvips
from PIL import Image, ImageOps

from s3pipelines.core.imaging import pillow
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.reading import check_size

# Pillow holds an image in its own mode, as bytes, and as what libvips is given.
_COPIES = 3
# Pillow's mode -> bands and format in libvips; others are converted to RGB first.
_MODES = {
    "L": (1, "uchar", "b-w"),
    "RGB": (3, "uchar", "srgb"),
    "RGBA": (4, "uchar", "srgb"),
    "CMYK": (4, "uchar", "cmyk"),
    "I;16": (1, "ushort", "grey16"),
    "I": (1, "int", "b-w"),
    "F": (1, "float", "b-w"),
}


@dataclass(frozen=True)
class Pixels:
    """An image of libvips, and the bytes that it reads in place: keep both."""

    image: Any
    memory: bytes


def check_memory(image: Image.Image, limits: Limits, halvings: int = 0) -> None:
    """Refuse what Pillow could only decode with more memory than an image may have.

    Args:
        image: With its header read.
        limits: What an image may cost.
        halvings: How often its size is halved as it is decoded.

    Raises:
        Refused: `too_large`, with the figures.
    """
    pixel_bytes = _COPIES * max(len(image.getbands()), 3)
    decoded_px = (image.width >> halvings) * (image.height >> halvings)
    check_size(limits, image.width, image.height, decoded_px * pixel_bytes)


def upright_pixels(image: Image.Image) -> Pixels:
    """The pixels as they are to be seen, with the colour profile where it still fits.

    Raises:
        Refused: They are damaged.
    """
    try:
        upright = ImageOps.exif_transpose(image)
        profile = image.info.get("icc_profile")
        shown = _in_known_mode(upright)
    except pillow.DAMAGED as error:
        raise pillow.pillow_failure(error) from error
    bands, number, interpretation = _MODES[shown.mode]
    memory = shown.tobytes()
    whole: Any = pyvips.Image.new_from_memory(memory, shown.width, shown.height, bands, number)
    whole = whole.copy(interpretation=interpretation)
    if profile and shown.mode == image.mode:
        whole.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return Pixels(whole, memory)


def _in_known_mode(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        if image.mode in ("I;16", "I;16L", "I;16N"):
            return image if image.mode == "I;16" else image.convert("I")
        return image.convert("I")
    if image.mode in _MODES:
        return image
    if "transparency" in image.info or image.mode in ("LA", "PA", "La", "RGBa"):
        return image.convert("RGBA")
    return image.convert("L" if image.mode == "1" else "RGB")
