"""Writing tiled pyramid TIFFs, in a worker, and which codecs this libvips has for that."""

import os
import tempfile
from functools import cache
from typing import Any

import pyvips

from s3pipelines.core.imaging import vips
from s3pipelines.core.imaging.pyramid_params import COMPRESSIONS, PyramidParams

# All levels together have four thirds of the pixels of the first.
_ALL_LEVELS = 4 / 3
# A classic TIFF has offsets of 32 bits; directories and what cannot be compressed take some room.
_CLASSIC_BYTES = 2**32 * 0.95
# Lossy tiles have less than half the bytes of their pixels, at any quality that anybody uses.
_LOSSY_SHARE = 0.5
_TOO_LARGE = "Maximum TIFF file size exceeded"
_PROBE_PX = 64


def save_pyramid(image: Any, params: PyramidParams, descriptor: int, *, big: bool = False) -> None:
    """Write an image as a pyramid into an open file, from the top down.

    Args:
        image: It may be decoded meanwhile.
        params: How the pyramid is to be.
        descriptor: The file; what it holds is overwritten.
        big: Make it a BigTIFF in any case, and not only where a classic TIFF may be too small.

    Raises:
        TooLargeForClassic: It does not fit into a classic TIFF after all.
        pyvips.Error: The image cannot be decoded, or not be written.
    """
    raw_bytes = vips.pixel_bytes(image) * _ALL_LEVELS
    expected_bytes = raw_bytes * (_LOSSY_SHARE if params.lossy else 1)
    big = big or expected_bytes > _CLASSIC_BYTES
    try:
        _save(image, params, descriptor, big)
    except pyvips.Error as error:
        if big or _TOO_LARGE not in str(error):
            raise
        raise TooLargeForClassic from error


class TooLargeForClassic(Exception):
    """A file of more than 4 GB, which only a BigTIFF can be."""


def _save(image: Any, params: PyramidParams, descriptor: int, big: bool) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    options: dict[str, Any] = {}
    if params.lossy:
        options["Q"] = params.quality
    if params.compression in ("deflate", "lzw", "zstd"):
        options["predictor"] = "float" if image.format == "float" else "horizontal"
    image.tiffsave_target(
        pyvips.Target.new_to_descriptor(descriptor),
        compression=params.compression,
        tile=True,
        tile_width=params.tile_px,
        tile_height=params.tile_px,
        pyramid=True,
        subifd=params.subifds,
        bigtiff=big,
        keep="all",
        **options,
    )


def writable_codecs() -> list[str]:
    """The codecs that this libvips writes, and reads again as what was written.

    One that it lacks fails late and leaves a file behind, and might be read as black: so each is
    tried.
    """
    return [name for name in COMPRESSIONS if codec_works(name)]


@cache
def codec_works(compression: str) -> bool:
    """Whether this libvips writes one codec, and reads it again as what was written."""
    ramp: Any = pyvips.Image.identity(bands=3).resize(_PROBE_PX / 256, vscale=_PROBE_PX)
    picture = ramp.cast("uchar").copy(interpretation="srgb").copy_memory()
    params = PyramidParams(tile_px=_PROBE_PX // 2, compression=compression, quality=90)  # pyright: ignore[reportArgumentType]
    try:
        with tempfile.TemporaryFile() as file:
            _save(picture, params, file.fileno(), big=False)
            source = pyvips.Source.new_from_descriptor(file.fileno())
            again: Any = pyvips.Image.new_from_source(source, f"[fail_on={vips.fail_on('tiff')}]")
            return (picture - again).abs().max() <= (64 if params.lossy else 0)
    except pyvips.Error:
        return False
