"""Which compressions of TIFF the libraries of this machine read right, in a worker: each is tried.

That a library opens a file says little: one without Zstandard gives black pixels and no error.
"""

import io
from collections.abc import Callable
from typing import Any

import pyvips
from PIL import Image, ImageChops

from s3pipelines.core.imaging import vips
from s3pipelines.core.imaging.formats import TIFF_CODECS
from s3pipelines.core.imaging.reading import Reader

# Pillow's names where they are others, as it is Pillow that writes them.
_OF_PILLOW = {"none": "raw", "lzw": "tiff_lzw", "deflate": "tiff_adobe_deflate"}
_BILEVEL = frozenset({"group3", "group4"})
_SIDE_PX = 64
# A lossy codec changes a smooth ramp by less, and black differs by up to 255.
_MOST_DIFFERENCE = 64


def tiff_readers() -> dict[str, list[Reader]]:
    """Who reads each compression as what was written; one that cannot be written is left out."""
    found: dict[str, list[Reader]] = {}
    for name in TIFF_CODECS:
        picture = _picture("1" if name in _BILEVEL else "RGB")
        file = io.BytesIO()
        try:
            picture.save(file, "TIFF", compression=_OF_PILLOW.get(name, name))
        except (OSError, ValueError, KeyError):
            continue
        readers: dict[Reader, Callable[[bytes], Image.Image]] = {
            "vips": _by_vips,
            "pillow": _by_pillow,
        }
        found[name] = [
            reader for reader, read in readers.items() if _same(read, file.getvalue(), picture)
        ]
    return found


def _picture(mode: str) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((_SIDE_PX, _SIDE_PX))
    return ramp.convert(mode, dither=Image.Dither.NONE)


def _same(read: Callable[[bytes], Image.Image], data: bytes, picture: Image.Image) -> bool:
    try:
        found = read(data).convert("RGB")
    except (OSError, ValueError, pyvips.Error):
        return False
    if found.size != picture.size:
        return False
    extrema: Any = ImageChops.difference(found, picture.convert("RGB")).getextrema()
    return max(most for _, most in extrema) <= _MOST_DIFFERENCE


def _by_vips(data: bytes) -> Image.Image:
    image: Any = pyvips.Image.new_from_buffer(data, f"[fail_on={vips.fail_on('tiff')}]")
    image = image.colourspace("srgb").cast("uchar")
    return Image.frombytes("RGB", (image.width, image.height), image.write_to_memory())


def _by_pillow(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))
