"""Decoding a page at its full resolution, in a worker: lazily where the format allows it."""

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pyvips
from PIL import Image

from s3pipelines.core.imaging import pillow, vips
from s3pipelines.core.imaging.given import Given
from s3pipelines.core.imaging.inspection import svg_text
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.pillow_pixels import check_memory, upright_pixels
from s3pipelines.core.imaging.reading import Known, Reader, check_size

# How much smaller a JPEG may be decoded, by its header: 1, 2, 4 or 8.
Shrink = Callable[[Any], int]


@dataclass(frozen=True)
class Decoded:
    """An image of libvips, as far as it has come.

    Attributes:
        image: It; most are decoded only as they are asked for, from the top down.
        in_any_order: Its pixels may be asked for in any order, and again.
        exif: What its file says beside the pixels.
        kept: What must live as long as the image.
    """

    image: Any
    in_any_order: bool
    exif: Image.Exif | None = None
    kept: tuple[Any, ...] = ()

    def now(self, image: Any) -> "Decoded":
        """The same, further on."""
        return replace(self, image=image)


@dataclass(frozen=True)
class Page:
    """Which page of which file."""

    given: Given
    known: Known
    number: int


def decode(page: Page, reader: Reader, limits: Limits, shrink: Shrink) -> Decoded:
    """Open a page of a file with one of the readers.

    Raises:
        pyvips.Error: libvips cannot read it; of most damage it tells only when pixels are asked
            for.
        Refused: Pillow cannot read it, or it is too large.
    """
    if reader == "pillow":
        return _by_pillow(page, limits)
    return _by_vips(page, limits, shrink)


def held(decoded: Decoded, limits: Limits) -> Decoded:
    """The same with its pixels at hand in any order: in memory, or in a file that has no name."""
    if decoded.in_any_order:
        return decoded
    if vips.pixel_bytes(decoded.image) <= limits.max_decoded_bytes:
        return replace(decoded, image=decoded.image.copy_memory(), in_any_order=True)
    return _in_a_file(decoded)


def _by_vips(page: Page, limits: Limits, shrink: Shrink) -> Decoded:
    known, given = page.known, page.given
    if known.name == "svg":
        text = svg_text(given.whole(), known)
        drawn: Any = pyvips.Image.svgload_buffer(text)
        check_size(limits, drawn.width, drawn.height, 0)
        return Decoded(drawn, in_any_order=True, kept=(text,))
    fail_on = vips.fail_on_of(known.name, lambda strict: _opened(given, _options(page, strict))[1])
    options = _options(page, fail_on)
    source, image = _opened(given, options)
    check_size(limits, image.width, image.height, vips.whole_bytes(image, known.name))
    factor = shrink(image)
    # Of a file that is still arriving only what was opened first can be read.
    if known.name == "jpeg" and factor > 1 and not given.came_as_stream:
        source, image = _opened(given, f"{options},shrink={factor}")
    return Decoded(image, False, _exif(image, page), kept=(source,))


def _opened(given: Given, options: str) -> tuple[Any, Any]:
    source = given.source()
    image = pyvips.Image.new_from_source(source, f"[{options}]", access="sequential")
    return source, image


def _options(page: Page, fail_on: str) -> str:
    which = f",page={page.number}" if page.number else ""
    return f"fail_on={fail_on}{which}"


def _exif(image: Any, page: Page) -> Image.Exif | None:
    blob = vips.field(image, "exif-data")
    if blob:
        return _read_exif(lambda exif: exif.load(blob))
    if page.known.name != "tiff":
        return None
    return _read_exif(None, page)


def _read_exif(
    load: Callable[[Image.Exif], None] | None, page: Page | None = None
) -> Image.Exif | None:
    exif = Image.Exif()
    try:
        if load is not None:
            load(exif)
        elif page is not None:
            opened = pillow.open_image(io.BufferedReader(page.given.file()), page.known.name)
            opened.seek(page.number)
            exif = opened.getexif()
    except pillow.DAMAGED:
        return None  # Damaged EXIF is common, and no reason to lose the rest.
    return exif


def _by_pillow(page: Page, limits: Limits) -> Decoded:
    file = io.BufferedReader(page.given.file())
    image = pillow.open_image(file, page.known.name)
    try:
        if page.number:
            image.seek(page.number)
        check_memory(image, limits)
        image.load()
        exif, xmp = image.getexif(), image.info.get("xmp")
    except pillow.DAMAGED as error:
        raise pillow.pillow_failure(error) from error
    pixels = upright_pixels(image)
    if isinstance(xmp, bytes):
        pixels.image.set_type(pyvips.GValue.blob_type, "xmp-data", xmp)
    return Decoded(pixels.image, in_any_order=True, exif=exif, kept=(pixels,))


def _in_a_file(decoded: Decoded) -> Decoded:
    image = decoded.image
    # The worker's own, without a name: whoever kills it leaves nothing behind. libvips has it open
    # when it is loaded.
    with tempfile.TemporaryFile() as file:
        image.rawsave_target(pyvips.Target.new_to_descriptor(file.fileno()))
        raw: Any = pyvips.Image.rawload(
            f"/dev/fd/{file.fileno()}",
            image.width,
            image.height,
            image.bands,
            format=image.format,
            interpretation=image.interpretation,
        )
    raw = raw.copy(xres=image.xres, yres=image.yres)
    for name in vips.DESCRIPTIONS:
        if image.get_typeof(name):
            raw.set_type(image.get_typeof(name), name, image.get(name))
    return replace(decoded, image=raw, in_any_order=True)
