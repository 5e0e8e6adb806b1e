"""Pictures to make files of, and a look at the thumbnails that come back."""

import io
from typing import Any

import numpy as np
from PIL import Image

from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.thumbnails import ThumbnailParams, make_thumbnail

CELL_PX = 16
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 180, 40), (30, 40, 220), (250, 250, 250)


def quadrants(width_px: int = 120, height_px: int = 80, mode: str = "RGB") -> Image.Image:
    """Red and green above blue and white: every orientation of it looks different."""
    image = Image.new("RGB", (width_px, height_px), WHITE)
    half_x, half_y = width_px // 2, height_px // 2
    image.paste(RED, (0, 0, half_x, half_y))
    image.paste(GREEN, (half_x, 0, width_px, half_y))
    image.paste(BLUE, (0, half_y, half_x, height_px))
    return image.convert(mode)


def chart(width_px: int = 1000, height_px: int = 700, bands: int = 3) -> np.ndarray:
    """Cells of 16 px, each of a colour of its own: whatever is out of place shows.

    Returns:
        Height, width, bands; 8 bits. A fourth band is none, half or full, cell by cell.
    """
    cells = -(-height_px // CELL_PX), -(-width_px // CELL_PX)
    random = np.random.default_rng(7)
    colours = random.integers(20, 236, (*cells, 3), dtype=np.uint8)
    alpha = random.choice(np.array([0, 128, 255], dtype=np.uint8), (*cells, 1))
    pixels = np.concatenate([colours, alpha], axis=2)[..., :bands]
    return pixels.repeat(CELL_PX, 0).repeat(CELL_PX, 1)[:height_px, :width_px]


def file_of(image: Image.Image, format_name: str, **options: Any) -> bytes:
    """The image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def thumbnail_of(
    pool: DecodePool, data: bytes, extension: str = "", box_px: int = 400
) -> Image.Image:
    """The thumbnail of a file, decoded."""
    made = make_thumbnail(pool, data, extension, ThumbnailParams(box_px, 95))
    image = Image.open(io.BytesIO(made.webp))
    assert (image.format, image.size) == ("WEBP", (made.width_px, made.height_px))
    image.load()
    return image


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quadrants: upper left, upper right, lower ones."""
    found = image.convert("RGB")
    width_px, height_px = found.size
    places = [(x * width_px // 4, y * height_px // 4) for y in (1, 3) for x in (1, 3)]
    return [found.getpixel(place) for place in places]  # pyright: ignore[reportReturnType]


def alike(found: tuple[int, ...], expected: tuple[int, ...], within: int = 14) -> bool:
    """Whether two colours differ by no more than lossy compression explains."""
    return all(abs(a - b) <= within for a, b in zip(found, expected, strict=True))


def shows_quadrants(image: Image.Image, within: int = 14) -> bool:
    """Whether a picture shows `quadrants`, upright."""
    pairs = zip(corners(image), (RED, GREEN, BLUE, WHITE), strict=True)
    return all(alike(found, expected, within) for found, expected in pairs)
