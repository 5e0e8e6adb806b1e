"""Reading the header of an image, in a worker, from as little of the file as will do."""

import io
import zlib
from typing import Any

import pyvips
from PIL import Image

from s3pipelines.core.imaging import pillow, vips
from s3pipelines.core.imaging.exif import exif_json
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.reading import Known, first_that_reads, identify
from s3pipelines.core.imaging.results import Header
from s3pipelines.core.imaging.sparse import SparseFile

_BITS = {
    "uchar": 8,
    "char": 8,
    "ushort": 16,
    "short": 16,
    "uint": 32,
    "int": 32,
    "float": 32,
    "double": 64,
    "complex": 64,
    "dpcomplex": 128,
}
# The tree that librsvg makes of a text takes many times its size.
_SVG_BYTES = 32 * 1024 * 1024
# Pillow's mode -> interpretation, bit depth.
_MODES = {
    "1": ("b-w", 1),
    "L": ("b-w", 8),
    "LA": ("b-w", 8),
    "La": ("b-w", 8),
    "P": ("srgb", 8),
    "PA": ("srgb", 8),
    "RGB": ("srgb", 8),
    "RGBA": ("srgb", 8),
    "RGBX": ("srgb", 8),
    "RGBa": ("srgb", 8),
    "CMYK": ("cmyk", 8),
    "YCbCr": ("srgb", 8),
    "LAB": ("lab", 8),
    "HSV": ("hsv", 8),
    "I": ("b-w", 32),
    "F": ("b-w", 32),
}


def inspect(file: SparseFile, extension: str) -> Header:
    """Read the header.

    Args:
        file: Of which some parts may be missing.
        extension: Lower-case ending of the object's name.

    Raises:
        NeedBytes: More of the file is needed.
        Refused: It is no image, or one whose header nothing here reads.
    """
    known = identify(file, extension)
    return first_that_reads(
        known,
        {
            "vips": lambda: _by_vips(file, known),
            "pillow": lambda: _by_pillow(file, known),
        },
    )


def svg_text(data: bytes | memoryview, known: Known) -> bytes:
    """The text of an SVG, unpacked where it lies in gzip.

    Raises:
        Refused: The compressed data end too soon, or become too large.
    """
    if not known.gzipped:
        if len(data) > _SVG_BYTES:
            raise Refused("too_large", f"An SVG of {len(data) / 1e6:,.0f} MB is not drawn.")
        return bytes(data)
    inflater = zlib.decompressobj(wbits=31)
    try:
        text = inflater.decompress(data, _SVG_BYTES)
    except zlib.error as error:
        raise Refused("corrupt", f"Its gzip data are damaged: {error}.") from error
    if inflater.eof:
        return text
    if inflater.unconsumed_tail:
        most = f"{_SVG_BYTES / 1e6:,.0f} MB"
        raise Refused("too_large", f"It becomes larger than {most} when it is unpacked.")
    raise Refused("truncated", "Its gzip data end too soon.")


def _by_vips(file: SparseFile, known: Known) -> Header:
    if known.name == "svg":
        text = svg_text(file.read_at(0, file.size_bytes), known)
        image: Any = pyvips.Image.svgload_buffer(text)
    else:
        image = vips.header_image(file, known.name)
    return Header(
        format=known.name,
        width_px=image.width,
        height_px=vips.field(image, "page-height", image.height),
        bands=image.bands,
        bit_depth=vips.field(image, "bits-per-sample", _BITS[image.format]),
        interpretation=image.interpretation,
        pages=vips.field(image, "n-pages", 1),
        orientation=_valid_orientation(vips.field(image, "orientation", 1)),
        has_icc=bool(image.get_typeof("icc-profile-data")),
        has_xmp=bool(image.get_typeof("xmp-data")),
        exif=_tiff_exif(file) if known.name == "tiff" else _exif_of_blob(image),
    )


def _exif_of_blob(image: Any) -> str | None:
    blob = vips.field(image, "exif-data")
    if not blob:
        return None
    exif = Image.Exif()
    try:
        exif.load(blob)
        return exif_json(exif)
    except pillow.DAMAGED:
        return None  # Damaged EXIF is common, and no reason to lose the rest.


def _tiff_exif(file: SparseFile) -> str | None:
    try:
        return exif_json(pillow.open_image(_buffered(file), "tiff").getexif())
    except (Refused, *pillow.DAMAGED):
        return None


def _by_pillow(file: SparseFile, known: Known) -> Header:
    image = pillow.open_image(_buffered(file), known.name)
    interpretation, bits = _MODES.get(image.mode, ("b-w", 16))
    try:
        exif = image.getexif()
        orientation = exif.get(0x0112, 1)
        text = exif_json(exif)
        pages = int(getattr(image, "n_frames", 1))
    except pillow.DAMAGED:
        orientation, text, pages = 1, None, 1
    return Header(
        format=known.name,
        width_px=image.width,
        height_px=image.height,
        bands=_bands(image),
        bit_depth=known.tiff.first.bits if known.tiff else bits,
        interpretation=interpretation,
        pages=pages,
        orientation=_valid_orientation(orientation),
        has_icc=bool(image.info.get("icc_profile")),
        has_xmp=bool(image.info.get("xmp")),
        exif=text,
    )


def _bands(image: Image.Image) -> int:
    """Channels of the colours, which a palette holds in place of the pixels."""
    if image.mode in ("P", "PA"):
        return 4 if image.mode == "PA" or "transparency" in image.info else 3
    return len(image.getbands())


def _buffered(file: SparseFile) -> io.BufferedReader:
    """Pillow asks for a few bytes at a time; what is missing still shows as `NeedBytes`."""
    return io.BufferedReader(file, 16384)


def _valid_orientation(value: Any) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
