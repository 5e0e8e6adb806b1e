"""What a file is, which libraries may read it, and what it would take to: before any decodes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import pyvips

from s3pipelines.core.imaging import pillow, vips
from s3pipelines.core.imaging.formats import (
    NOT_IMAGES,
    PILLOW_FORMATS,
    VIPS_FORMATS,
    WHAT_WOULD,
    sniff,
)
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Refused, failure_from_text
from s3pipelines.core.imaging.sparse import SparseFile
from s3pipelines.core.imaging.tiff import (
    COMPRESSION_NAMES,
    PILLOW_COMPRESSIONS,
    VIPS_COMPRESSIONS,
    Tiff,
    read_tiff,
)

Reader = Literal["vips", "pillow"]
Result = TypeVar("Result")
_HEAD = 4096


@dataclass(frozen=True)
class Known:
    """A file whose format is known and can be read here.

    Attributes:
        name: The format.
        gzipped: It lies in gzip (SVG only).
        readers: Who may read it, in this order.
        tiff: The directories of a TIFF.
    """

    name: str
    gzipped: bool
    readers: tuple[Reader, ...]
    tiff: Tiff | None = None


def identify(file: SparseFile, extension: str) -> Known:
    """Find out what a file is from its first bytes, and from the directories of a TIFF.

    Raises:
        NeedBytes: A part that is needed is not here.
        Refused: It is empty, no image, or of a format that nothing here reads; then the detail
            names what would.
    """
    if file.size_bytes == 0:
        raise Refused("empty", "The object has no bytes.")
    sniffed = sniff(file.read_at(0, _HEAD), extension)
    if sniffed is None:
        raise Refused("not_an_image", "Its first bytes are those of no image format that is known.")
    name = sniffed.name
    if name in NOT_IMAGES:
        raise Refused("not_an_image", f"It is {NOT_IMAGES[name]}.")
    if name == "tiff":
        return _known_tiff(file)
    readers: list[Reader] = ["vips"] if name in VIPS_FORMATS else []
    if pillow.can_read(name) and not sniffed.gzipped:
        readers.append("pillow")
    if not readers:
        raise Refused("unsupported", _what_would(name))
    return Known(name, sniffed.gzipped, tuple(readers))


def _known_tiff(file: SparseFile) -> Known:
    tiff = read_tiff(file)
    readable = tiff.first.compression in VIPS_COMPRESSIONS
    return Known("tiff", False, ("vips", "pillow") if readable else ("pillow",), tiff)


def readers_by_format() -> dict[str, list[Reader]]:
    """Which libraries have a reader for each format, on this machine."""
    found: dict[str, list[Reader]] = {}
    for name in sorted(VIPS_FORMATS | set(PILLOW_FORMATS)):
        readers: list[Reader] = ["vips"] if vips.has_loader(name) else []
        found[name] = [*readers, "pillow"] if pillow.can_read(name) else readers
    return found


def first_that_reads(known: Known, attempts: dict[Reader, Callable[[], Result]]) -> Result:
    """The result of the first reader that manages.

    A file that is cut off or too large is so for each of them, so the next one is not asked.

    Raises:
        NeedBytes: A part that is needed is not here.
        Refused: None of them manages.
    """
    refusals: list[Refused] = []
    for reader in known.readers:
        try:
            return attempts[reader]()
        except pyvips.Error as error:
            refusals.append(failure_from_text(f"libvips: {error.detail or error.message}"))
        except Refused as error:
            refusals.append(error)
        except MemoryError as error:
            raise Refused("out_of_memory", "It needs more memory than an image may.") from error
        if refusals[-1].failure.reason in ("truncated", "too_large", "out_of_memory"):
            break
    raise _with_what_would(known, refusals)


def _with_what_would(known: Known, refusals: list[Refused]) -> Refused:
    first = next(
        (one for one in refusals if one.failure.reason != "unsupported"), refusals[0]
    ).failure
    if known.tiff and refusals[0].failure.reason == "unsupported":
        # Its directories were read here; Pillow calls any layout that it does not know broken.
        first = refusals[0].failure
    if first.reason == "unsupported":
        said = "; ".join(one.failure.detail for one in refusals)
        return Refused("unsupported", f"{_what_would(known.name, known.tiff)} ({said})")
    known_codec = not known.tiff or known.tiff.first.compression in PILLOW_COMPRESSIONS
    if first.reason == "corrupt" and not known_codec:
        # Pillow says of a compression that it does not know that the file is broken.
        return Refused("unsupported", f"{_what_would('tiff', known.tiff)} ({first.detail})")
    return Refused(first.reason, first.detail)


def _what_would(name: str, tiff: Tiff | None = None) -> str:
    if tiff is not None and tiff.first.compression in VIPS_COMPRESSIONS:
        layout = f"{tiff.first.bands} bands of {tiff.first.bits} bits"
        return f"TIFF of a layout that is not known here ({layout}): tifffile"
    if tiff is not None:
        number = tiff.first.compression
        codec = COMPRESSION_NAMES.get(number, f"number {number}")
        return f"TIFF with {codec} compression: libvips with a libtiff that has it, or imagecodecs"
    return WHAT_WOULD.get(name, f"{name}: Pillow or libvips with a reader for it")


def check_size(limits: Limits, width_px: int, height_px: int, whole_bytes: int) -> None:
    """Refuse what would take more than an image may, by the figures of its header.

    Args:
        limits: What an image may cost.
        width_px: Its width.
        height_px: Its height.
        whole_bytes: Bytes that must be decoded at once; 0 if it can be read line by line.

    Raises:
        Refused: `too_large`, with the figures.
    """
    size = f"{width_px:,} x {height_px:,} pixels"
    if width_px * height_px > limits.max_pixels:
        raise Refused("too_large", f"It has {size}, the limit is {limits.max_pixels:,} in all.")
    if whole_bytes > limits.max_decoded_bytes:
        raise Refused(
            "too_large",
            f"It has {size} and takes {whole_bytes / 1e6:,.0f} MB to decode, "
            f"the limit is {limits.max_decoded_bytes / 1e6:,.0f} MB.",
        )
