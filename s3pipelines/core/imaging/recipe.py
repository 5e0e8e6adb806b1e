"""From a decoded page to the image that is to be saved: small enough, upright, in its colours."""

import re
from dataclasses import dataclass
from typing import Any

import pyvips

from s3pipelines.core.imaging import vips
from s3pipelines.core.imaging.colours import storable
from s3pipelines.core.imaging.decoding import Decoded, held
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.pyramid_params import PyramidParams

_MM_PER_INCH = 25.4
# Rows and columns change places.
_LYING = frozenset({5, 6, 7, 8})
# Upright, or mirrored within its rows: these come from the top down as well.
_IN_ORDER = frozenset({1, 2})
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>)\s*)[2-8]")
# These describe the file that they stood in: where its planes lie, what its levels are.
_OF_THE_FILE = ("Aperio", "<?xml", "<OME", "ImageJ=", "shape=(")


@dataclass(frozen=True)
class Recipe:
    """What is done with every image: the parameters, and what it may cost."""

    params: PyramidParams
    limits: Limits

    def shrink(self, image: Any) -> int:
        """How much smaller a JPEG may be decoded: to a half, a quarter or an eighth."""
        scale = self._scale(image)
        return next((factor for factor in (8, 4, 2) if factor * scale <= 1), 1)

    def follow(self, decoded: Decoded) -> Decoded:
        """The image as it is to be saved.

        Raises:
            pyvips.Error: Something cannot be done to this image.
        """
        small = self._within_caps(decoded)
        coloured = storable(upright(small, self.limits), self.params, self.limits)
        return coloured.now(self._described(coloured.image))

    def _scale(self, image: Any) -> float:
        most = (self.params.max_width_px, self.params.max_height_px)
        most_width, most_height = most[::-1] if orientation_of(image) in _LYING else most
        across, down = image.width, image.height
        return min(1.0, (most_width or across) / across, (most_height or down) / down)

    def _within_caps(self, decoded: Decoded) -> Decoded:
        image, scale = decoded.image, self._scale(decoded.image)
        if scale >= 1:
            return decoded
        width_px, height_px = (max(1, round(side * scale)) for side in (image.width, image.height))
        return decoded.now(resized(image, width_px / image.width, height_px / image.height))

    def _described(self, image: Any) -> Any:
        image = image.copy()
        if self.params.dpi is not None:
            per_mm = self.params.dpi / _MM_PER_INCH
            image = image.copy(xres=per_mm, yres=per_mm)
            image.set_type(pyvips.GValue.gstr_type, "resolution-unit", "in")
        return still_true(image)


def still_true(image: Any) -> Any:
    """The image without what its file said of itself, and which no longer holds."""
    image = image.copy()
    description = vips.field(image, "image-description")
    if description and _is_of_the_file(description.lstrip("\ufeff \r\n")):
        image.remove("image-description")
    xmp = vips.field(image, "xmp-data")
    if xmp:
        turned = _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
        image.set_type(image.get_typeof("xmp-data"), "xmp-data", turned)
    return image


def _is_of_the_file(description: str) -> bool:
    # JSON with a shape is tifffile's, which would look for levels of that shape.
    shaped = description.startswith("{") and '"shape":' in description
    return shaped or description.startswith(_OF_THE_FILE)


def upright(decoded: Decoded, limits: Limits) -> Decoded:
    """The image as it is to be seen, whatever its orientation tag says; it has none then."""
    orientation = orientation_of(decoded.image)
    if orientation == 1:
        return decoded
    here = decoded if orientation in _IN_ORDER else held(decoded, limits)
    return here.now(here.image.autorot())


def orientation_of(image: Any) -> int:
    """The orientation that its tag gives an image: 1 to 8, as in EXIF."""
    value = vips.field(image, "orientation", 1)
    return value if value in range(1, 9) else 1


def resized(image: Any, across: float, down: float, kernel: str = "lanczos3") -> Any:
    """The image so many times as wide and high."""
    if not image.hasalpha():
        return image.resize(across, vscale=down, kernel=kernel)
    # Else the colour of what is transparent would shine through at the edges.
    small = image.premultiply().resize(across, vscale=down, kernel=kernel).unpremultiply()
    return small.cast(image.format).copy(interpretation=image.interpretation)
