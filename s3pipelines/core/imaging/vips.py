"""libvips as it is used here: with its untrusted loaders blocked and nothing kept between images.

Only a worker imports this; settings that must be in the environment before libvips starts are
those of `process.ENVIRONMENT`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyvips

from s3pipelines.core.imaging.formats import VIPS_FORMATS
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.sparse import NeedBytes, SparseFile

# "error" takes a JPEG whose end is missing; the step "truncated" is below it, and stricter
# ("warning") refuses photographs that only have odd metadata.
_FAIL_ON = "error"
# Of a TIFF, parts that do not decode, or whose codec is missing, are black at "error", whatever the
# codec but JPEG (libvips 8.18.7).
_FAIL_ON_TIFF = "warning"
# Formats that libvips can only decode as a whole, whatever the file.
_WHOLE = frozenset({"avif", "heic", "gif", "webp"})
# What an image carries beside its pixels.
DESCRIPTIONS = (
    "icc-profile-data",
    "xmp-data",
    "iptc-data",
    "exif-data",
    "orientation",
    "resolution-unit",
    "image-description",
)
_BYTES = {
    "uchar": 1,
    "char": 1,
    "ushort": 2,
    "short": 2,
    "double": 8,
    "complex": 8,
    "dpcomplex": 16,
}


def fail_on(name: str) -> str:
    """What libvips is to give up at, when it reads a sound file of a format of `VIPS_FORMATS`."""
    return _FAIL_ON_TIFF if name == "tiff" else _FAIL_ON


def fail_on_of(name: str, opened: Callable[[str], Any]) -> str:
    """The same for a file of strangers: a TIFF with an odd directory is forgiven that.

    Args:
        name: The format.
        opened: Opens the file, given what to give up at.
    """
    strict = fail_on(name)
    if strict == _FAIL_ON:
        return strict
    try:
        opened(strict).crop(0, 0, 1, 1).copy_memory()
    except pyvips.Error as error:
        # What does not decode is told by the reader of TIFFs, an odd directory before it begins.
        return strict if "tiff2vips" in str(error) else _FAIL_ON
    return strict


def prepare() -> None:
    """Block what libvips itself calls unfit for untrusted files, and switch its cache off.

    librsvg is on that list, but only it draws SVG. It runs no scripts and opens no network, and
    given bytes instead of a file it has no folder to load anything from, so exactly its loader
    from memory is let through again. So is the one of bare pixels, which no file is taken for: it
    reads what was too large for memory, and was written here.
    """
    pyvips.block_untrusted_set(True)
    pyvips.operation_block_set("VipsForeignLoadSvgBuffer", False)
    pyvips.operation_block_set("VipsForeignLoadRaw", False)
    pyvips.cache_set_max(0)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for what libvips does within the block; one elsewhere.

    Only for what is written from the top down. Of an image that can be decoded in this order alone,
    two threads that take samples may ask for lines that have gone by ("out of order read").
    """
    pyvips.concurrency_set(count)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        pyvips.concurrency_set(1)  # pyright: ignore[reportAttributeAccessIssue]


def version() -> str:
    """The version of libvips."""
    return ".".join(str(pyvips.version(part)) for part in range(3))


def has_loader(name: str) -> bool:
    """Whether this libvips has a loader that is used here for the format.

    Not for HEIC: its loader is that of AVIF, and whether libheif has a decoder for it, only an
    image would tell.
    """
    if name not in VIPS_FORMATS or name == "heic":
        return False
    loader = {"avif": "heifload_source", "svg": "svgload_buffer"}.get(name, f"{name}load_source")
    return bool(pyvips.type_find("VipsOperation", loader))


def header_image(file: SparseFile, name: str) -> Any:
    """The image in `file` with its header read, and its pixels not.

    Args:
        file: Of which some parts may be missing.
        name: The format, one of `VIPS_FORMATS`.

    Raises:
        NeedBytes: More of the file is needed.
        pyvips.Error: libvips cannot read it.
    """
    loader = "heifload" if name in ("avif", "heic") else f"{name}load"
    return whole_or_missing(
        file,
        lambda source: pyvips.Operation.call(f"{loader}_source", source, access="sequential"),
    )


def whole_or_missing(file: SparseFile, use: Callable[[Any], Any]) -> Any:
    """What `use` makes of a source over `file`, unless it came to a part that is not here.

    Raises:
        NeedBytes: It did, whatever else went wrong or did not.
        pyvips.Error: libvips cannot read it.
    """
    file.missing = None
    # An exception must not leave a callback, so the reader sees an end of the file instead.
    source = pyvips.SourceCustom()
    source.on_read(lambda length: _read(file, length))
    source.on_seek(file.seek)
    file.seek(0)
    try:
        made = use(source)
    except (pyvips.Error, Refused):
        if file.missing is not None:
            raise file.missing from None
        raise
    if file.missing is not None:
        raise file.missing
    return made


def _read(file: SparseFile, length: int) -> bytes:
    try:
        return file.read(length)
    except NeedBytes:
        return b""


def field(image: Any, name: str, default: Any = None) -> Any:
    """A metadata field of an image, or `default`."""
    return image.get(name) if image.get_typeof(name) else default


def whole_bytes(image: Any, name: str) -> int:
    """Bytes that decoding needs at once; 0 if the image comes line by line.

    Args:
        image: With its header read.
        name: The format.
    """
    if name == "jpeg" and field(image, "interlaced"):
        return image.width * image.height * image.bands * 2  # Coefficients, not pixels.
    # An Ultra HDR photograph is a JPEG for which libvips has another loader.
    whole = name in _WHOLE or str(field(image, "vips-loader", "")).startswith("uhdr")
    if not whole and not field(image, "interlaced"):
        return 0
    return image.width * image.height * max(image.bands, 3) * sample_bytes(image)


def sample_bytes(image: Any) -> int:
    """Bytes of one band of one pixel."""
    return _BYTES.get(image.format, 4)


def pixel_bytes(image: Any) -> int:
    """Bytes of all pixels together."""
    return image.width * image.height * image.bands * sample_bytes(image)
