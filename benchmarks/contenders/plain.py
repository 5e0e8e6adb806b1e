"""A thumbnail of one file as most people would write it; imports nothing of this project.

What a library raises is what is to be shown, so it is an outcome, too.
"""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_BOX_PX, _QUALITY = 400, 80


def plain_pyvips(path: str, options: str = "") -> dict[str, Any]:
    """libvips, with options of its loader such as `[n=-1]`, all frames."""
    import pyvips

    def thumbnail() -> tuple[int, int]:
        image: Any = pyvips.Image.thumbnail(path + options, _BOX_PX, size="down")
        image.webpsave_buffer(Q=_QUALITY)
        return image.width, image.height

    return _plainly(thumbnail, path)


def plain_pillow(path: str, bomb_check: str) -> dict[str, Any]:
    """Pillow, with its check for bombs (`on`) or without it (`off`)."""
    from PIL import Image

    if bomb_check == "off":
        Image.MAX_IMAGE_PIXELS = None

    def thumbnail() -> tuple[int, int]:
        with Image.open(path) as image:
            image.thumbnail((_BOX_PX, _BOX_PX))
            image.save(io.BytesIO(), "WEBP", quality=_QUALITY)
            return image.size

    return _plainly(thumbnail, path)


def _plainly(thumbnail: Callable[[], tuple[int, int]], path: str) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        width_px, height_px = thumbnail()
        outcome = f"{width_px} x {height_px}"
    except Exception as error:  # noqa: BLE001 - see above
        outcome = f"{type(error).__name__}: {error}".replace(path, Path(path).name)
    return {"outcome": " ".join(outcome.split()), "seconds": time.perf_counter() - started}
