"""Carrying out the steps of a recipe, in a worker, on an image that was decoded."""

from collections.abc import Callable
from typing import Any

import pyvips

from s3pipelines.core.imaging import tone
from s3pipelines.core.imaging.colours import PLAIN, in_srgb, made_visible, without_profile
from s3pipelines.core.imaging.conversion.steps import (
    ColourSpace,
    Crop,
    Flatten,
    Flip,
    Resize,
    Rotate,
    Sharpen,
    Step,
)
from s3pipelines.core.imaging.conversion.told import parts_of
from s3pipelines.core.imaging.decoding import Decoded, held
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.reading import check_size
from s3pipelines.core.imaging.recipe import orientation_of, resized, upright

_WHITE, _NOTHING = "#ffffff", "#ffffff00"
# Rec. 709, of colours as they are stored.
_RED, _GREEN, _BLUE = 0.2126, 0.7152, 0.0722
_LYING = frozenset({5, 6, 7, 8})


def follow(steps: tuple[Step, ...], decoded: Decoded, limits: Limits) -> Decoded:
    """The image after all steps; it is made upright first.

    Raises:
        Refused: It is too small for a part that is to be cut out (`too_small`), or gets too large.
        pyvips.Error: Something cannot be done to this image.
    """
    here = upright(decoded, limits)
    for step in steps:
        here = _HOW[type(step)](step, here, limits)
        check_size(limits, here.image.width, here.image.height, 0)
    return here


def shrink_for(steps: tuple[Step, ...]) -> Callable[[Any], int]:
    """How much smaller a JPEG may be decoded: if it is made smaller first, to no less than that."""
    first = steps[0] if steps else None

    def shrink(image: Any) -> int:
        if not isinstance(first, Resize) or first.kernel == "nearest":
            return 1
        width_px, height_px = image.width, image.height
        if orientation_of(image) in _LYING:
            width_px, height_px = height_px, width_px
        across, down = _target(first, width_px, height_px)
        scale = max(across / width_px, down / height_px)
        # Twice as large as wanted, so that the kernel has something to weigh.
        return next((factor for factor in (8, 4, 2) if 2 * factor * scale <= 1), 1)

    return shrink


def _resize(step: Resize, decoded: Decoded, limits: Limits) -> Decoded:
    image = decoded.image
    width_px, height_px = _target(step, image.width, image.height)
    check_size(limits, width_px, height_px, 0)
    if (width_px, height_px) != (image.width, image.height):
        across, down = width_px / image.width, height_px / image.height
        decoded = decoded.now(resized(image, across, down, step.kernel))
    if step.fit != "fill" or step.width is None or step.height is None:
        return decoded
    return _cut(decoded, step.width, step.height, step.at, limits)


def _target(step: Resize, width_px: int, height_px: int) -> tuple[int, int]:
    """The size that an image of this size is brought to; with `fill`, before it is cut."""
    if step.percent is not None:
        scale = step.percent / 100
        return max(1, round(width_px * scale)), max(1, round(height_px * scale))
    if step.fit == "exact":
        return step.width or 1, step.height or 1
    scales = [
        wanted / given
        for wanted, given in ((step.width, width_px), (step.height, height_px))
        if wanted is not None
    ]
    if step.fit == "fill":
        scale = max(scales)
        return (
            max(step.width or 1, round(width_px * scale)),
            max(step.height or 1, round(height_px * scale)),
        )
    scale = min(scales) if step.enlarge else min(*scales, 1.0)
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def _crop(step: Crop, decoded: Decoded, limits: Limits) -> Decoded:
    image, x, y = decoded.image, step.x or 0, step.y or 0
    if x + step.width > image.width or y + step.height > image.height:
        where = "" if step.x is None else f" at {x:,}, {y:,}"
        raise Refused(
            "too_small",
            f"It has {image.width:,} x {image.height:,} pixels, and a part of {step.width:,} x "
            f"{step.height:,}{where} is to be cut out.",
        )
    if step.x is not None:
        return decoded.now(image.crop(x, y, step.width, step.height))
    return _cut(decoded, step.width, step.height, step.at, limits)


def _cut(decoded: Decoded, width_px: int, height_px: int, at: str, limits: Limits) -> Decoded:
    image = decoded.image
    if (width_px, height_px) == (image.width, image.height):
        return decoded
    if at == "attention":
        here = held(decoded, limits)
        return here.now(here.image.smartcrop(width_px, height_px, interesting="attention"))
    left, top = (image.width - width_px) // 2, (image.height - height_px) // 2
    return decoded.now(image.crop(left, top, width_px, height_px))


def _rotate(step: Rotate, decoded: Decoded, limits: Limits) -> Decoded:
    angle = step.angle % 360
    if angle == 0:
        return decoded
    here = held(decoded, limits)
    if angle % 90 == 0:
        return here.now(here.image.rot(f"d{angle:.0f}"))
    image = _painted(here.image)
    colour = step.background or (_NOTHING if image.hasalpha() else _WHITE)
    if parts_of(colour)[3] < 255 and not image.hasalpha():
        image = image.addalpha()
    # Weighed by alpha, so that the colour of what is not seen does not shine through.
    turned = image.rotate(
        angle, background=_numbers(colour, image), interpolate=pyvips.Interpolate.new("bicubic")
    )
    return here.now(turned.cast(image.format).copy(interpretation=image.interpretation))


def _flip(step: Flip, decoded: Decoded, limits: Limits) -> Decoded:
    here = held(decoded, limits) if step.direction == "vertical" else decoded
    return here.now(here.image.flip(step.direction))


def _flatten(step: Flatten, decoded: Decoded, limits: Limits) -> Decoded:  # noqa: ARG001
    return decoded.now(flattened(decoded.image, step.background))


def flattened(image: Any, background: str) -> Any:
    """The image on a background, without transparency."""
    if not image.hasalpha():
        return image
    image = _painted(image)
    numbers = _numbers(background, image)[:-1]
    return image.flatten(background=numbers)


def _colour_space(step: ColourSpace, decoded: Decoded, limits: Limits) -> Decoded:
    if tone.is_measurement(decoded.image) and step.space != "gray":
        decoded = made_visible(decoded, limits)
    image = decoded.image
    if step.space == "srgb":
        plain = in_srgb(image)
        deep = plain.format == "ushort"
        return decoded.now(plain.colourspace("rgb16" if deep else "srgb"))
    if step.space == "gray":
        return decoded.now(_grey(image))
    fallback = {"input_profile": "cmyk"} if image.interpretation == "cmyk" else {}
    depth = 16 if image.format == "ushort" and step.space == "p3" else 8
    return decoded.now(image.icc_transform(step.space, embedded=True, depth=depth, **fallback))


def _grey(image: Any) -> Any:
    if image.bands == 1:
        return image
    plain = in_srgb(image)
    space = "grey16" if plain.format == "ushort" else "b-w"
    return without_profile(plain.colourspace(space))


def _sharpen(step: Sharpen, decoded: Decoded, limits: Limits) -> Decoded:  # noqa: ARG001
    image = _painted(decoded.image)
    sharp = image.sharpen(sigma=step.sigma, m1=step.flat, m2=step.amount)
    return decoded.now(sharp.cast(image.format).copy(interpretation=image.interpretation))


def _painted(image: Any) -> Any:
    """The image in colours that a red, green and blue can be given in."""
    return image if image.interpretation in PLAIN or tone.is_measurement(image) else in_srgb(image)


def _numbers(colour: str, image: Any) -> list[float]:
    """A colour as the bands of an image have it."""
    red, green, blue, alpha = parts_of(colour)
    scale = 257 if image.format == "ushort" else 1
    colours = image.bands - (1 if image.hasalpha() else 0)
    bands = [float(n) for n in (red, green, blue)]
    if colours != len(bands):
        bands = [_RED * red + _GREEN * green + _BLUE * blue] * colours
    return [n * scale for n in (*bands, *([float(alpha)] if image.hasalpha() else []))]


_HOW: dict[type[Step], Callable[[Any, Decoded, Limits], Decoded]] = {
    Resize: _resize,
    Crop: _crop,
    Rotate: _rotate,
    Flip: _flip,
    Flatten: _flatten,
    ColourSpace: _colour_space,
    Sharpen: _sharpen,
}
