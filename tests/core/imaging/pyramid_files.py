"""Pyramids as files, made by the project of pixels or written by another library."""

import io
import tempfile

import numpy as np
import tifffile

from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.pyramids import Input, make_pyramid


def image_file(pixels: np.ndarray, metadata: dict | None = None) -> bytes:
    """Pixels as a plain TIFF: grey, RGB, or RGB and alpha; with what tifffile says of its shape."""
    buffer = io.BytesIO()
    kind = "minisblack" if pixels.ndim == 2 else "rgb"
    extra = ["unassalpha"] if pixels.ndim == 3 and pixels.shape[2] == 4 else None
    tifffile.imwrite(buffer, pixels, photometric=kind, extrasamples=extra, metadata=metadata)
    return buffer.getvalue()


def pyramid_file(pool: DecodePool, pixels: np.ndarray, params: PyramidParams) -> bytes:
    """The pyramid that the project makes of pixels."""
    return pyramid_of(pool, image_file(pixels), params)


def pyramid_of(pool: DecodePool, image: bytes, params: PyramidParams) -> bytes:
    """The pyramid that the project makes of a TIFF."""
    with tempfile.TemporaryFile() as file:
        make_pyramid(pool, Input(image, "tif"), params, file)
        file.seek(0)
        return file.read()


def written_elsewhere(pixels: np.ndarray, byteorder: str, big: bool, tile_px: int = 64) -> bytes:
    """A pyramid by tifffile, of two levels: in either order of bytes, classic or BigTIFF."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, byteorder=byteorder, bigtiff=big) as writer:  # pyright: ignore[reportArgumentType]
        for step, reduced in ((1, 0), (2, 1)):
            writer.write(
                pixels[::step, ::step],
                photometric="rgb",
                tile=(tile_px, tile_px),
                compression="zlib",
                predictor=True,
                subfiletype=reduced,
                metadata=None,
            )
    return buffer.getvalue()
