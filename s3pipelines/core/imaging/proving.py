"""Whether a pyramid shows what it was made from, in a worker: reopened and compared in samples."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any

import pyvips

from s3pipelines.core.imaging import vips
from s3pipelines.core.imaging.decoding import Decoded
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.structure import Structure, expected_structure, read_structure

_BITS = {"uchar": 8, "char": 8, "ushort": 16, "short": 16, "uint": 32, "int": 32, "float": 32}
_SAMPLE_PX = 256
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
    bits = _BITS[image.format]
    expected = expected_structure(image.width, image.height, image.bands, bits, params)
    if wrong := structure.difference(expected):
        raise Refused("unverified", wrong)
    levels = [_level(descriptor, number, params) for number in range(len(structure.levels))]
    _require_profile(levels[0], image)
    boxes = list(boxes_of(image, reference.in_any_order))
    worst = None
    pairs = zip(samples_of(image, boxes), samples_of(levels[0], boxes), strict=True)
    for box, (wanted, found) in zip(boxes, pairs, strict=True):
        worst = worst_of(worst, _compared(wanted, found, params, box))
    for larger, smaller in pairwise(levels):
        _compare_levels(larger, smaller, params)
    return Proof(structure, worst, len(boxes))


def _level(descriptor: int, number: int, params: PyramidParams) -> Any:
    which = f",subifd={number - 1}" if params.subifds and number else f",page={number}"
    if params.subifds and not number:
        which = ""
    source = pyvips.Source.new_from_descriptor(descriptor)
    return pyvips.Image.new_from_source(source, f"[fail_on={vips.FAIL_ON}{which}]")


def _require_profile(level: Any, image: Any) -> None:
    found, wanted = (vips.field(one, "icc-profile-data") for one in (level, image))
    if found != wanted:
        raise Refused("unverified", "Its colour profile is not that of the image.")


def boxes_of(image: Any, in_any_order: bool) -> Iterator[Box]:
    """Left, top, width and height of the samples, from the top down, across the whole image."""
    width_px, height_px = min(_SAMPLE_PX, image.width), min(_SAMPLE_PX, image.height)
    room = (image.width - width_px, image.height - height_px)
    rows = _MOST_SAMPLES if in_any_order else room[1] // (_APART * _SAMPLE_PX) + 1
    count = max(1, min(rows, _MOST_SAMPLES, -(-max(room) // _SAMPLE_PX) + 1))
    for number in range(count):
        # Each row at another place: the first on the left, the last on the right.
        down = number / (count - 1) if count > 1 else 0.0
        across = (number * 3 % count) / (count - 1) if count > 1 and room[1] else down
        yield round(room[0] * across), round(room[1] * down), width_px, height_px


def samples_of(image: Any, boxes: list[Box]) -> list[Any]:
    """The samples, in one go: what is decoded from the top down is so only once.

    Not `arrayjoin`, nor one after the other: both drop the lines that come next from the cache.
    """
    height_px = boxes[0][3]
    parts = [image.crop(*box) for box in boxes]
    column = reduce(lambda above, part: above.join(part, "vertical"), parts).copy_memory()
    tops = range(0, height_px * len(boxes), height_px)
    return [column.crop(0, top, column.width, height_px) for top in tops]


def _compared(wanted: Any, found: Any, params: PyramidParams, box: Box) -> float | None:
    where = f"At {box[0]:,}, {box[1]:,}"
    if not params.lossy:
        if wanted.write_to_memory() != found.write_to_memory():
            raise Refused("unverified", f"{where} its pixels are not those of the image.")
        return None
    shift = max(abs(wanted[band].avg() - found[band].avg()) for band in range(wanted.bands))
    least, psnr_db = _least_db(params), psnr_db_of(wanted, found)
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
    width_px, height_px = (min(side, _SAMPLE_PX) for side in (smaller.width, smaller.height))
    left, top = (smaller.width - width_px) // 2, (smaller.height - height_px) // 2
    halved = larger.crop(2 * left, 2 * top, 2 * width_px, 2 * height_px).shrink(2, 2)
    found = smaller.crop(left, top, width_px, height_px)
    psnr_db = psnr_db_of(halved, found)
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


def psnr_db_of(wanted: Any, found: Any) -> float:
    """Peak signal to noise ratio of the mean of the bands, which subsampled colours do not hurt."""
    peak = 65535 if wanted.format == "ushort" else 255
    difference = wanted.bandmean().cast("float") - found.bandmean().cast("float")
    square = (difference * difference).avg()
    return math.inf if square == 0 else 10 * math.log10(peak * peak / square)


def worst_of(one: float | None, other: float | None) -> float | None:
    """The lower of two figures, of which either may be missing, or infinite."""
    given = [value for value in (one, other) if value is not None and value < math.inf]
    return min(given, default=None)
