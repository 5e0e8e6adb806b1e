"""Bringing an image to what its output format can hold, in a worker: numbers, bands, metadata."""

from typing import Any

import pyvips
from PIL import Image

from s3pipelines.core.imaging import tone, vips
from s3pipelines.core.imaging.colours import in_srgb, made_visible, of_8_bits, of_32_bits
from s3pipelines.core.imaging.conversion.following import flattened
from s3pipelines.core.imaging.conversion.output import Holds
from s3pipelines.core.imaging.conversion.recipe import ConversionRecipe
from s3pipelines.core.imaging.decoding import Decoded, held
from s3pipelines.core.imaging.exif_directory import exif_blob
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.recipe import still_true

# An encoder that takes all pixels at once holds them, its own copy of them, and what comes of it.
_COPIES = 3
_MEASURED_BITS = 32
_HALF, _OPAQUE = 128, 255


def fitted(decoded: Decoded, recipe: ConversionRecipe, limits: Limits) -> Decoded:
    """The image as the file is to hold it.

    Measurements stay as they are in a lossless TIFF; elsewhere they are made visible as in
    thumbnails. 16 bits stay where the format has them, else they lose the lower ones.

    Raises:
        Refused: It is too large for the format.
        pyvips.Error: Something cannot be done to this image.
    """
    output, holds = recipe.output, recipe.output.holds
    decoded = _in_depth(decoded, holds, limits)
    image = decoded.image
    if not recipe.keeps("icc") or (image.interpretation == "cmyk" and not holds.cmyk):
        image = in_srgb(image)
    if image.hasalpha() and not (holds.alpha and image.bands in (2, 4)):
        image = flattened(image, output.background)
    if not holds.grey and image.bands < 3:
        image = in_srgb(image).colourspace("rgb16" if image.format == "ushort" else "srgb")
    _require_room(image, holds, output.title, limits)
    decoded = decoded.now(image)
    if holds.used_alpha and image.hasalpha():
        decoded = _with_plain_alpha(decoded, holds, limits)
    return decoded.now(_described(decoded.image, decoded.exif, recipe))


def _with_plain_alpha(decoded: Decoded, holds: Holds, limits: Limits) -> Decoded:
    """Alpha as such a format has it: gone if nothing is transparent, perhaps all or nothing."""
    here = held(decoded, limits)
    image, last = here.image, here.image.bands - 1
    colours, alpha = image.extract_band(0, n=last), image.extract_band(last)
    if holds.hard_alpha:
        alpha = alpha >= _HALF
    if alpha.min() == _OPAQUE:
        return here.now(colours)
    return here.now(colours.bandjoin(alpha).copy(interpretation=image.interpretation))


def _in_depth(decoded: Decoded, holds: Holds, limits: Limits) -> Decoded:
    image = decoded.image
    if holds.bits == _MEASURED_BITS:
        return decoded.now(of_32_bits(image))
    deep = holds.bits == 16 and image.format == "ushort"
    if deep and image.bands == 1 and holds.grey:
        return decoded
    if tone.is_measurement(image):
        decoded = made_visible(decoded, limits)
    image = decoded.image
    if deep and image.format == "ushort" and image.interpretation in ("rgb16", "grey16"):
        return decoded
    return decoded.now(of_8_bits(image))


def _require_room(image: Any, holds: Holds, title: str, limits: Limits) -> None:
    size = f"{image.width:,} x {image.height:,} pixels"
    if max(image.width, image.height) > holds.largest_px:
        raise Refused(
            "too_large", f"It has {size}; a side of {title} has {holds.largest_px:,} at most."
        )
    needed = vips.pixel_bytes(image) * _COPIES
    if holds.as_a_whole and needed > 2 * limits.max_decoded_bytes:
        raise Refused(
            "too_large",
            f"It has {size}, which take {needed / 1e6:,.0f} MB to encode as {title}; the limit is "
            f"{2 * limits.max_decoded_bytes / 1e6:,.0f} MB.",
        )


def _described(image: Any, exif: Image.Exif | None, recipe: ConversionRecipe) -> Any:
    """The image with what is kept beside its pixels, and nothing else."""
    image = still_true(image)
    # The preview in the EXIF data shows the image as it was: perhaps what was cut away.
    for name in ("jpeg-thumbnail-data", *_dropped(recipe)):
        if image.get_typeof(name):
            image.remove(name)
    if recipe.keeps("exif") and exif is not None and not image.get_typeof("exif-data"):
        blob = exif_blob(exif)
        if blob:
            image.set_type(pyvips.GValue.blob_type, "exif-data", blob)
    return image


def _dropped(recipe: ConversionRecipe) -> list[str]:
    fields = {"icc": "icc-profile-data", "exif": "exif-data", "xmp": "xmp-data"}
    names = {**fields, "iptc": "iptc-data"}
    dropped = [field for what, field in names.items() if not recipe.keeps(what)]  # pyright: ignore[reportArgumentType]
    return dropped if recipe.keeps("exif") else [*dropped, "image-description"]
