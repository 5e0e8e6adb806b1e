"""Whether a file holds the pixels that were meant, in a worker: reopened and compared."""

import io
import math
import os
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyvips

from s3pipelines.core.imaging import pillow, vips
from s3pipelines.core.imaging.conversion.recipe import ConversionRecipe
from s3pipelines.core.imaging.decoding import Decoded
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pillow_pixels import upright_pixels
from s3pipelines.core.imaging.proving import Box, boxes_of, column_of, difference_of
from s3pipelines.core.imaging.reading import identify
from s3pipelines.core.imaging.recipe import orientation_of
from s3pipelines.core.imaging.sparse import FilePart, SparseFile

# Subsampled colours that are saturated come out paler: by 10 in the small pictures of the web, by
# 24 in icons of a dozen pixels at quality 5. Black in place of a photograph: by 125.
_MOST_SHIFT = 30.0


@dataclass(frozen=True)
class Proof:
    """What was seen of a file.

    Attributes:
        width_px: Its width.
        height_px: Its height.
        bands: Its channels, alpha included.
        bits: Of one channel.
        psnr_db: Of the worst sample; None where all are equal.
        samples: How many were compared.
    """

    width_px: int
    height_px: int
    bands: int
    bits: int
    psnr_db: float | None
    samples: int

    def as_dict(self) -> dict[str, Any]:
        """Its fields, as they are sent."""
        return asdict(self)


def prove(reference: Decoded, recipe: ConversionRecipe, descriptor: int) -> Proof:
    """Reopen a file, and compare it with the image that it was made of.

    Args:
        reference: The image as it was to be encoded.
        recipe: How.
        descriptor: The file.

    Raises:
        Refused: `unverified`, with what is not as it should be.
        pyvips.Error: The image, or the file, cannot be decoded.
    """
    wanted = reference.image
    found = _reopened(descriptor, recipe)
    if recipe.output.holds.used_alpha:
        found = _without_alpha_unless(found, wanted.hasalpha())
    _require_alike(found, wanted)
    _require_metadata(found, wanted, recipe)
    boxes = list(boxes_of(wanted, in_any_order=False))
    worst = _compare(boxes, wanted, found, recipe)
    bits = 8 * vips.sample_bytes(found)
    return Proof(found.width, found.height, found.bands, bits, worst, len(boxes))


def _reopened(descriptor: int, recipe: ConversionRecipe) -> Any:
    size_bytes = os.fstat(descriptor).st_size
    file = SparseFile(size_bytes, [(0, FilePart(descriptor, 0, size_bytes))])
    known = identify(file, recipe.extension)
    if known.name != recipe.output.name:
        raise Refused("unverified", f"It is {known.name}, and not {recipe.output.name}.")
    if known.name == "jp2":
        # By what wrote it; all others by libvips, also a TIFF that would be read otherwise.
        opened = pillow.open_image(io.BufferedReader(file), known.name)
        return upright_pixels(opened).image.copy_memory()
    os.lseek(descriptor, 0, os.SEEK_SET)
    source = pyvips.Source.new_from_descriptor(descriptor)
    options = f"[fail_on={vips.fail_on(known.name)}]"
    return pyvips.Image.new_from_source(source, options, access="sequential")


def _without_alpha_unless(image: Any, has_alpha: bool) -> Any:
    """A palette of an opaque image may have a transparent colour, which nothing may use."""
    if has_alpha or not image.hasalpha():
        return image
    image = image.copy_memory()
    if image.extract_band(image.bands - 1).min() < 255:
        raise Refused("unverified", "It is transparent where the image is not.")
    return image.extract_band(0, n=image.bands - 1)


def _require_alike(found: Any, wanted: Any) -> None:
    for name in ("width", "height", "bands", "format"):
        seen, meant = getattr(found, name), getattr(wanted, name)
        if seen != meant:
            raise Refused("unverified", f"Its {name} is {seen} and not {meant}.")
    if orientation_of(found) != 1:
        raise Refused("unverified", "It is not upright.")


def _require_metadata(found: Any, wanted: Any, recipe: ConversionRecipe) -> None:
    profile, meant = (vips.field(one, "icc-profile-data") for one in (found, wanted))
    if profile != (meant if recipe.keeps("icc") else None):
        raise Refused("unverified", "Its colour profile is not that of the image.")
    for what, name in (("exif", "exif-data"), ("xmp", "xmp-data"), ("iptc", "iptc-data")):
        if not recipe.keeps(what) and found.get_typeof(name):  # pyright: ignore[reportArgumentType]
            raise Refused("unverified", f"It still has {what.upper()} data.")


def _compare(boxes: list[Box], wanted: Any, found: Any, recipe: ConversionRecipe) -> float | None:
    """The least of the ratios of all samples."""
    lossy, height_px, worst = recipe.output.lossy, boxes[0][3], math.inf
    if lossy:
        wanted, found = _seen(wanted), _seen(found)
    columns = column_of(wanted, boxes), column_of(found, boxes)
    for number, (left, top, _, _) in enumerate(boxes):
        rows = slice(number * height_px, (number + 1) * height_px)
        one, other = (column[rows] for column in columns)
        where = f"At {left:,}, {top:,}"
        if lossy:
            worst = min(worst, _compared(one, other, recipe, where))
        elif one.tobytes() != other.tobytes():
            raise Refused("unverified", f"{where} its pixels are not those of the image.")
    return worst if worst < math.inf else None


def _compared(one: np.ndarray, other: np.ndarray, recipe: ConversionRecipe, where: str) -> float:
    (psnr_db, shift), least = difference_of(one, other), recipe.output.least_db
    most = _MOST_SHIFT * (257 if one.dtype == np.uint16 else 1)
    if psnr_db < least or shift > most:
        raise Refused(
            "unverified",
            f"{where} it differs from the image by {psnr_db:.1f} dB (at least {least:.1f} are "
            f"wanted) and {shift:.1f} on average (at most {most:g}).",
        )
    return psnr_db


def _seen(image: Any) -> Any:
    """What is to be seen: encoders are free with the colours of what is transparent."""
    if not image.hasalpha():
        return image
    alpha = image.extract_band(image.bands - 1)
    return image.flatten(background=0).bandjoin(alpha).cast(image.format)
