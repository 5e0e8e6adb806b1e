"""Making measurements visible: floats, signed integers and sparse 16-bit data as shades of grey."""

from array import array
from typing import Any

_SAMPLES = 20_000
_COLOURS = frozenset({"lab", "labs", "labq", "lch", "xyz", "yxy", "cmyk", "hsv"})
_PLAIN = frozenset({"uchar", "ushort"})
_BROKEN_OUT = frozenset({"multiband", "histogram", "matrix", "fourier"})
# 16-bit pixels below this are those of a 12-bit or lesser sensor that were not scaled up.
_TWELVE_BITS = 4096


def is_measurement(image: Any) -> bool:
    """Whether the numbers of an image are no colours that a colour conversion would know."""
    if image.interpretation in _COLOURS:
        return False
    lone_16_bit = image.format == "ushort" and image.bands == 1
    odd_bands = image.interpretation in _BROKEN_OUT or image.bands > 5
    return image.format not in _PLAIN or lone_16_bit or odd_bands


def visible(image: Any, sample: Any = None) -> Any:
    """An image of measurements as 8-bit grey or colour.

    16-bit pixels keep their full scale, as photographs want it; only where all are below 4,096 is
    the scale that of the bits in use. Everything else is stretched between its 0.5 and 99.5
    percentiles; not a number is black.

    Args:
        image: The measurements.
        sample: The same, reduced, to find the scale by; by default the image itself, which should
            be small then.
    """
    image, sample = _shown_bands(image), _shown_bands(image if sample is None else sample)
    if image.format == "uchar":
        return _as_colours(image)
    if image.format == "ushort":
        return _as_colours((image * (255 / _full_scale(sample.max()))).cast("uchar"))
    return _stretched(image.cast("float"), sample.cast("float"))


def _shown_bands(image: Any) -> Any:
    if image.format in ("complex", "dpcomplex"):
        image = image.abs()
    return image.extract_band(0, n=3) if image.bands >= 3 else image.extract_band(0)


def _full_scale(most: float) -> int:
    if most >= _TWELVE_BITS:
        return 65535
    return 2 ** max(int(most).bit_length(), 1) - 1


def _stretched(image: Any, sample: Any) -> Any:
    low, high = _percentiles(_numbers(sample).copy_memory())
    image = _numbers(image)
    if image.bands == 3 and low >= 0:
        # Light: black is zero, and the eye wants the curve of sRGB.
        return (image / max(high, 1)).copy(interpretation="scrgb").colourspace("srgb")
    scaled = (image - low) * (255 / (high - low)) if high > low else image * 0
    return _as_colours(scaled.cast("uchar"))


def _numbers(image: Any) -> Any:
    """The image with 0 where it is not a number, which no comparison holds for."""
    return (image == image).ifthenelse(image, 0)


def _percentiles(image: Any) -> tuple[float, float]:
    pixels = array("f", bytes(image.write_to_memory()))
    step = max(len(pixels) // _SAMPLES, 1)
    finite = sorted(value for value in pixels[::step] if abs(value) < float("inf"))
    if not finite:
        return 0.0, 0.0
    low, high = finite[len(finite) // 200], finite[-1 - len(finite) // 200]
    return (low, high) if high > low else (finite[0], finite[-1])


def _as_colours(image: Any) -> Any:
    return image.copy(interpretation="srgb" if image.bands == 3 else "b-w")
