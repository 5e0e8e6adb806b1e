"""Whether a pyramid shows what it was made from, in a worker: reopened and compared in samples."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pyvips

from s3pipelines.core.imaging import vips
from s3pipelines.core.imaging.decoding import Decoded
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.structure import Structure, expected_structure, read_structure

# Format of libvips -> NumPy's.
_NUMBERS = {
    "uchar": np.uint8,
    "char": np.int8,
    "ushort": np.uint16,
    "short": np.int16,
    "uint": np.uint32,
    "int": np.int32,
    "float": np.float32,
}
_SAMPLE_PX = 256
_LEVEL_SAMPLE_PX = 128
_MOST_SAMPLES = 8
# Between samples of what comes from the top down, so that no kernel reaches back into the last one.
_APART = 4
# White noise, the worst that there is, keeps 14 dB at quality 1, 22 at 50, 28 at 75 and 39 at 90,
# in the mean of the bands; photographs keep some 10 more. WebP always halves the resolution of the
# colours: of coloured lines it keeps 19 at quality 85. Black instead of a photograph: 5 to 10.
_LEAST_DB = {"jpeg": 12.0, "webp": 5.0, "jp2k": 12.0}
_DB_PER_QUALITY = 0.12
# Averaging first, and then compressing once more, costs some of it.
_LEVEL_LOSS_DB = 4.0
# Subsampled colours that are saturated come out paler, by 10 in the small pictures of the web.
_MOST_SHIFT = 20.0
# Between levels, where averages are rounded one way or another.
_LOSSLESS_LEVELS_DB = 30.0


Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Proof:
    """What was seen of a pyramid.

    Attributes:
        structure: Of its directories.
        psnr_db: Of the worst sample of its first level; None where all are equal.
        samples: How many were compared.
    """

    structure: Structure
    psnr_db: float | None
    samples: int


def prove(reference: Decoded, descriptor: int, params: PyramidParams) -> Proof:
    """Compare a pyramid with the image that it was made from.

    Args:
        reference: The image as it was to be saved.
        descriptor: The pyramid, in an open file.
        params: How it was to be.

    Raises:
        Refused: `unverified`, with what is not as it should be.
        pyvips.Error: The image, or the pyramid, cannot be decoded.
    """
    image = reference.image
    structure = read_structure(descriptor)
    bits = 8 * vips.sample_bytes(image)
    expected = expected_structure(image.width, image.height, image.bands, bits, params)
    if wrong := structure.difference(expected):
        raise Refused("unverified", wrong)
    levels = [_level(descriptor, number, params) for number in range(len(structure.levels))]
    _require_profile(levels[0], image)
    boxes = list(boxes_of(image, reference.in_any_order))
    worst = _compare(boxes, column_of(image, boxes), column_of(levels[0], boxes), params)
    for larger, smaller in pairwise(levels):
        _compare_levels(larger, smaller, params)
    return Proof(structure, worst, len(boxes))


def _level(descriptor: int, number: int, params: PyramidParams) -> Any:
    which = f",subifd={number - 1}" if params.subifds and number else f",page={number}"
    if params.subifds and not number:
        which = ""
    source = pyvips.Source.new_from_descriptor(descriptor)
    return pyvips.Image.new_from_source(source, f"[fail_on={vips.fail_on('tiff')}{which}]")


def _require_profile(level: Any, image: Any) -> None:
    found, wanted = (vips.field(one, "icc-profile-data") for one in (level, image))
    if found != wanted:
        raise Refused("unverified", "Its colour profile is not that of the image.")


def boxes_of(image: Any, in_any_order: bool) -> Iterator[Box]:
    """Left, top, width and height of the samples, from the top down, across the whole image.

    They lie on the tiles, but for the last one, which is in the lower right corner.
    """
    width_px, height_px = min(_SAMPLE_PX, image.width), min(_SAMPLE_PX, image.height)
    room = (image.width - width_px, image.height - height_px)
    tiles = math.ceil(image.width / _SAMPLE_PX) * math.ceil(image.height / _SAMPLE_PX)
    rows = _MOST_SAMPLES if in_any_order else room[1] // (_APART * _SAMPLE_PX) + 1
    count = min(rows, _MOST_SAMPLES, math.ceil(math.sqrt(tiles)))
    for number in range(count - 1):
        # Each row at another place.
        across, down = (number * 3 % count) / count, number / count
        left, top = (int(side * part) for side, part in zip(room, (across, down), strict=True))
        yield left - left % _SAMPLE_PX, top - top % _SAMPLE_PX, width_px, height_px
    yield *room, width_px, height_px


def column_of(image: Any, boxes: list[Box]) -> np.ndarray:
    """The samples below each other, in one go: what comes from the top down is decoded once.

    Not `arrayjoin`, nor one after the other: both drop the lines that come next from the cache.
    """
    parts = [image.crop(*box) for box in boxes]
    return _pixels(reduce(lambda above, part: above.join(part, "vertical"), parts))


def _pixels(image: Any) -> np.ndarray:
    data = np.frombuffer(image.write_to_memory(), _NUMBERS[image.format])
    return data.reshape(image.height, image.width, image.bands)


def _compare(
    boxes: list[Box], wanted: np.ndarray, found: np.ndarray, params: PyramidParams
) -> float | None:
    """The least of the ratios of all samples."""
    worst = math.inf
    height_px = boxes[0][3]
    for number, (left, top, _, _) in enumerate(boxes):
        rows = slice(number * height_px, (number + 1) * height_px)
        where = f"At {left:,}, {top:,}"
        if params.lossy:
            worst = min(worst, _compared(wanted[rows], found[rows], params, where))
        elif wanted[rows].tobytes() != found[rows].tobytes():
            raise Refused("unverified", f"{where} its pixels are not those of the image.")
    return worst if worst < math.inf else None


def _compared(wanted: np.ndarray, found: np.ndarray, params: PyramidParams, where: str) -> float:
    (psnr_db, shift), least = difference_of(wanted, found), _least_db(params)
    if psnr_db < least or shift > _MOST_SHIFT:
        raise Refused(
            "unverified",
            f"{where} it differs from the image by {psnr_db:.1f} dB (at least {least:.1f} are "
            f"wanted) and {shift:.1f} on average (at most {_MOST_SHIFT:g}).",
        )
    return psnr_db


def _compare_levels(larger: Any, smaller: Any, params: PyramidParams) -> None:
    """The middle of a level shows the same as that of the one before, at half its size."""
    if larger.format not in ("uchar", "ushort") or larger.hasalpha():
        return  # What the average is of numbers that are not finite, or of what is not seen?
    width_px, height_px = (min(side, _LEVEL_SAMPLE_PX) for side in (smaller.width, smaller.height))
    left, top = (smaller.width - width_px) // 2, (smaller.height - height_px) // 2
    before = _pixels(larger.crop(2 * left, 2 * top, 2 * width_px, 2 * height_px))
    pairs = before[::2].astype(np.float32) + before[1::2]
    halved = (pairs[:, ::2] + pairs[:, 1::2]) / 4
    psnr_db, _ = difference_of(halved, _pixels(smaller.crop(left, top, width_px, height_px)))
    if psnr_db < _least_db(params) - _LEVEL_LOSS_DB:
        raise Refused(
            "unverified",
            f"The level of {smaller.width:,} x {smaller.height:,} pixels differs from the larger "
            f"one by {psnr_db:.1f} dB.",
        )


def _least_db(params: PyramidParams) -> float:
    if not params.lossy:
        return _LOSSLESS_LEVELS_DB
    return _LEAST_DB[params.compression] + _DB_PER_QUALITY * params.quality


def difference_of(wanted: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """How two pictures differ.

    Returns:
        The peak signal to noise ratio of the mean of the bands, which subsampled colours do not
        hurt, in dB; and the average difference of the band that differs most.
    """
    pixels, bands = found.shape[0] * found.shape[1], found.shape[2]
    difference = (wanted.astype(np.float32) - found).reshape(pixels, bands)
    # As products: NumPy takes ten times as long for the mean along a short axis.
    shift = float(np.abs(np.ones(pixels, np.float32) @ difference).max()) / pixels
    grey = difference @ np.full(bands, 1 / bands, np.float32)
    square = float(grey @ grey) / pixels
    peak = 65535 if found.dtype == np.uint16 else 255
    return (math.inf if square == 0 else 10 * math.log10(peak * peak / square)), shift
