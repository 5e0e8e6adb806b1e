"""Bringing an image to colours and numbers that a codec of TIFF can hold."""

from typing import Any

import pyvips

from s3pipelines.core.imaging import tone, vips
from s3pipelines.core.imaging.decoding import Decoded, held
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.pyramid_params import PyramidParams

# The description in the profile that most cameras and programs embed.
SRGB = b"sRGB IEC61966-2.1"
# Grey and RGB, of 8 or 16 bits.
PLAIN = frozenset({"srgb", "b-w", "rgb16", "grey16", "rgb"})
_WHITE = 255
_SAMPLE_PX = 512
# Beside these, JPEG in TIFF holds CMYK.
_COLOURS_OF_JPEG = frozenset({"srgb", "b-w", "rgb", "cmyk"})


def storable(decoded: Decoded, params: PyramidParams, limits: Limits) -> Decoded:
    """The image in colours that were asked for and that the codec can hold.

    Lossless codecs hold all numbers but those of 64 bits, which become 32. Lossy ones hold 8 bits
    of grey, RGB and (JPEG only) CMYK: 16 bits lose the lower ones, measurements are made visible as
    in thumbnails, and what is transparent is on white in a JPEG.
    """
    if tone.is_measurement(decoded.image):
        if not params.lossy:
            return decoded.now(of_32_bits(decoded.image))
        decoded = made_visible(decoded, limits)
    image = decoded.image
    if params.lossy:
        image = _in_bands(of_8_bits(image), params.compression)
    if params.colour == "srgb":
        image = in_srgb(image)
    if params.compression == "webp" and image.bands < 3:
        image = in_srgb(image).colourspace("srgb")
    return decoded.now(image)


def in_srgb(image: Any) -> Any:
    """The image in sRGB, or in grey; by its profile where it has one that can be used."""
    profile = vips.field(image, "icc-profile-data")
    if profile is not None and SRGB in profile:
        return image
    if profile is None and image.interpretation in PLAIN:
        return image
    depth = 16 if image.format == "ushort" else 8
    fallback = {"input_profile": "cmyk"} if image.interpretation == "cmyk" else {}
    try:
        return image.icc_transform("srgb", embedded=True, depth=depth, **fallback)
    except pyvips.Error:
        # A damaged profile is no reason to lose the image.
        return without_profile(image).colourspace("srgb")


def made_visible(decoded: Decoded, limits: Limits) -> Decoded:
    """Measurements as 8 bits of grey or colour, as thumbnails show them."""
    here = held(decoded, limits)
    image = here.image
    scale = min(1.0, _SAMPLE_PX / max(image.width, image.height))
    sample = image.resize(scale, kernel="linear") if scale < 1 else image
    return here.now(without_profile(tone.visible(image, sample.copy_memory())))


def of_32_bits(image: Any) -> Any:
    """The numbers of 64 bits in 32, which is the most that is written."""
    return image.cast("float") if image.format == "double" else image


def of_8_bits(image: Any) -> Any:
    """Colours in 8 bits a channel, of which 16 lose the lower ones; CMYK stays."""
    if image.interpretation not in PLAIN | {"cmyk"}:
        return in_srgb(without_profile(image).colourspace("srgb"))
    if image.format == "ushort":
        grey = image.bands < 3
        return (image >> 8).cast("uchar").copy(interpretation="b-w" if grey else "srgb")
    return image


def _in_bands(image: Any, compression: str) -> Any:
    keeps_alpha = compression == "webp"
    if image.interpretation == "cmyk" and compression != "jpeg":
        image = in_srgb(image)
    if image.hasalpha() and not (keeps_alpha and image.bands in (2, 4)):
        image = image.flatten(background=_WHITE)
    if image.interpretation == "cmyk":
        return image.extract_band(0, n=4)
    if image.hasalpha():
        return image
    return image.extract_band(0, n=3 if image.bands >= 3 else 1)


def without_profile(image: Any) -> Any:
    """The same numbers, meant as sRGB or as whatever the image says otherwise."""
    image = image.copy()
    image.remove("icc-profile-data")
    return image
