"""Encoding an image into an open file, in a worker."""

import os
from collections.abc import Callable
from typing import Any

import pyvips
from PIL import Image

from s3pipelines.core.imaging import vips
from s3pipelines.core.imaging.conversion.output import Output
from s3pipelines.core.imaging.conversion.outputs import (
    AvifOutput,
    GifOutput,
    Jp2Output,
    JpegOutput,
    JxlOutput,
    PngOutput,
    TiffOutput,
    WebpOutput,
)
from s3pipelines.core.imaging.conversion.recipe import METADATA, ConversionRecipe

# libvips' flags of what is kept.
_KEEP = {"exif": 1, "xmp": 2, "iptc": 4, "icc": 8}
_KEEP_OTHER = 16
# Beyond, offsets of 32 bits may not reach; lossless codecs may also make more of a few pixels.
_CLASSIC_BYTES = 2**32 * 0.9
_PREDICTED = frozenset({"deflate", "lzw", "zstd"})
_JP2K_TILE_PX = 256
_PILLOW_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def write(image: Any, recipe: ConversionRecipe, descriptor: int) -> None:
    """Encode an image.

    Args:
        image: As `fitting` gave it; it may be decoded meanwhile, from the top down.
        recipe: Whose output it is.
        descriptor: An open file; what it holds is overwritten.

    Raises:
        pyvips.Error: The image cannot be decoded, or not be encoded.
        OSError: Pillow cannot encode it.
    """
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    output = recipe.output
    if isinstance(output, Jp2Output):
        _write_jp2(image, output, descriptor)
        return
    saver, options = _SAVERS[type(output)]
    keep = sum(flag for what, flag in _KEEP.items() if recipe.keeps(what))  # pyright: ignore[reportArgumentType]
    pyvips.Operation.call(
        f"{saver}_target",
        image,
        pyvips.Target.new_to_descriptor(descriptor),
        keep=keep | (_KEEP_OTHER if set(recipe.metadata) == set(METADATA) else 0),
        **options(output, image),
    )


def _jpeg(output: JpegOutput, _image: Any) -> dict[str, Any]:
    return {
        "Q": output.quality,
        "interlace": output.progressive,
        "optimize_coding": True,
        "subsample_mode": output.subsampling,
    }


def _png(output: PngOutput, _image: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"compression": output.compression, "interlace": output.interlace}
    if output.palette:
        options |= {"palette": True, "bitdepth": output.colours.bit_length() - 1}
    return options


def _gif(output: GifOutput, _image: Any) -> dict[str, Any]:
    return {"bitdepth": output.colours.bit_length() - 1, "dither": output.dither}


def _webp(output: WebpOutput, _image: Any) -> dict[str, Any]:
    if output.lossless:
        # `exact`: also the colours of what is transparent, which somebody may still want.
        return {"lossless": True, "exact": True, "effort": output.effort}
    return {"Q": output.quality, "effort": output.effort}


def _avif(output: AvifOutput, _image: Any) -> dict[str, Any]:
    options = {"compression": "av1", "effort": output.effort, "bitdepth": 8}
    return options | ({"lossless": True} if output.lossless else {"Q": output.quality})


def _tiff(output: TiffOutput, image: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "compression": output.compression,
        "bigtiff": vips.pixel_bytes(image) > _CLASSIC_BYTES,
    }
    if output.lossy:
        options["Q"] = output.quality
    if output.compression in _PREDICTED:
        options["predictor"] = "float" if image.format == "float" else "horizontal"
    # A strip of JPEG 2000 is something that libtiff cannot write.
    side_px = output.tile_px or (_JP2K_TILE_PX if output.compression == "jp2k" else None)
    if side_px is not None:
        options |= {"tile": True, "tile_width": side_px, "tile_height": side_px}
    return options


def _jxl(output: JxlOutput, _image: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"effort": output.effort}
    return options | ({"lossless": True} if output.lossless else {"Q": output.quality})


_SAVERS: dict[type[Output], tuple[str, Callable[[Any, Any], dict[str, Any]]]] = {
    JpegOutput: ("jpegsave", _jpeg),
    PngOutput: ("pngsave", _png),
    GifOutput: ("gifsave", _gif),
    WebpOutput: ("webpsave", _webp),
    AvifOutput: ("heifsave", _avif),
    TiffOutput: ("tiffsave", _tiff),
    JxlOutput: ("jxlsave", _jxl),
}


def _write_jp2(image: Any, output: Jp2Output, descriptor: int) -> None:
    """By Pillow: the libvips that comes with pyvips has no JPEG 2000."""
    deep = image.format == "ushort"
    mode = "I;16" if deep else _PILLOW_MODES[image.bands]
    pixels = Image.frombytes(mode, (image.width, image.height), image.write_to_memory())
    options: dict[str, Any] = {"irreversible": False}
    if output.lossy:
        options = {
            "irreversible": True,
            "quality_mode": "dB",
            "quality_layers": [float(output.psnr_db)],
        }
    with os.fdopen(os.dup(descriptor), "wb") as file:
        pixels.save(file, "JPEG2000", **options)
