"""Drawing one tile of a pyramid for a browser, in a worker."""

from typing import Any

import pyvips

from s3pipelines.core.imaging import tone, vips
from s3pipelines.core.imaging.colours import in_srgb
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.reading import check_size
from s3pipelines.core.imaging.saving import codec_works
from s3pipelines.core.imaging.sparse import SparseFile
from s3pipelines.core.imaging.structure import CODEC_NUMBERS
from s3pipelines.core.imaging.tiff import VIPS_COMPRESSIONS, read_tiff

_CODECS = {number: name for name, number in CODEC_NUMBERS.items()}


def draw_tile(data: bytes, sample: bytes, quality: int, limits: Limits) -> bytes:
    """Draw a tile as a WebP in sRGB; transparency stays.

    Args:
        data: The tile, as a TIFF of its own.
        sample: The whole image, small, by which measurements are made visible: each tile on its
            own scale would make a chequerboard of them.
        quality: Of the WebP, 1 to 100.
        limits: What the tile may cost.

    Raises:
        Refused: It is broken or too large, or nothing here reads it.
    """
    try:
        image = _opened(data, limits)
        if tone.is_measurement(image):
            image = tone.visible(image, _opened(sample, limits))
        image = in_srgb(image)
        if image.interpretation != "srgb":
            image = image.colourspace("srgb")
        if image.format != "uchar":
            image = image.cast("uchar")
        # Of a quarter of the effort that thumbnails get: somebody is waiting.
        return image.webpsave_buffer(Q=quality, effort=0, keep="none")
    except pyvips.Error as error:
        raise Refused("corrupt", str(error)) from error


def _opened(data: bytes, limits: Limits) -> Any:
    compression = read_tiff(SparseFile(len(data), [(0, data)])).first.compression
    # A libtiff that lacks a codec has been seen to give black, and no error.
    if compression not in VIPS_COMPRESSIONS and not codec_works(_CODECS.get(compression, "")):
        raise Refused("unsupported", f"The libvips of this machine reads no codec {compression}.")
    source = pyvips.Source.new_from_memory(data)
    image: Any = pyvips.Image.new_from_source(source, f"[fail_on={vips.fail_on('tiff')}]")
    check_size(limits, image.width, image.height, vips.pixel_bytes(image))
    return image.copy_memory()
