"""Thumbnails of 1,000 photographs of 2 megapixels: our pool beside loops over its libraries.

Run with `python -m benchmarks.thumbnails`. Everybody gets two processes and the same bytes. The
loops decode whatever they get in their own process, without limits or checks.
"""

import io
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

from PIL import Image, ImageFilter

from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.thumbnails import make_thumbnail

IMAGES = 1000
PROCESSES = 2
BOX_PX, QUALITY = 400, 80
_KINDS = 10


@cache
def photographs() -> tuple[bytes, ...]:
    """Ten different JPEGs of 1632 x 1224, some 400 kB each."""
    made: list[bytes] = []
    for number in range(_KINDS):
        noise = Image.effect_noise((1632, 1224), 60 + number).filter(ImageFilter.GaussianBlur(3))
        colour = Image.merge(
            "RGB", [noise, noise.rotate(180), noise.rotate(90).resize((1632, 1224))]
        )
        buffer = io.BytesIO()
        colour.save(buffer, "JPEG", quality=92)
        made.append(buffer.getvalue())
    return tuple(made)


def ours() -> float:
    """Seconds for all images through the decode pool."""
    slots = Slots(PROCESSES, Path(tempfile.mkdtemp(prefix="s3pipelines-slots-")))
    with DecodePool(workers=PROCESSES, slots=slots) as pool, ThreadPoolExecutor(4) as threads:
        one = partial(make_thumbnail, pool, extension="jpg")
        list(threads.map(one, photographs()))
        started = time.perf_counter()
        list(threads.map(one, _many()))
        return time.perf_counter() - started


def loop(one: Callable[[bytes], int]) -> float:
    """Seconds for all images through a pool of plain processes."""
    with ProcessPoolExecutor(PROCESSES) as processes:
        list(processes.map(one, photographs()))
        started = time.perf_counter()
        list(processes.map(one, _many(), chunksize=20))
        return time.perf_counter() - started


def by_pyvips(data: bytes) -> int:
    """A thumbnail by pyvips as its documentation has it."""
    import pyvips

    image = pyvips.Image.thumbnail_buffer(data, BOX_PX, height=BOX_PX, size="down")
    return len(image.webpsave_buffer(Q=QUALITY))


def by_pillow(data: bytes) -> int:
    """A thumbnail by Pillow, reduced by the JPEG decoder."""
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (2 * BOX_PX, 2 * BOX_PX))
    image.thumbnail((BOX_PX, BOX_PX))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY)
    return len(buffer.getvalue())


def _many() -> list[bytes]:
    some = photographs()
    return [some[number % len(some)] for number in range(IMAGES)]


def main() -> None:
    """Print images per second, in turns, so that a busy machine is busy for all."""
    os.environ["VIPS_CONCURRENCY"] = "1"
    contenders = {
        "s3pipelines pool": ours,
        "pyvips loop": partial(loop, by_pyvips),
        "Pillow draft loop": partial(loop, by_pillow),
    }
    print(f"load {os.getloadavg()[0]:.1f}, {len(photographs()[0]) / 1e3:.0f} kB a file")
    for _ in range(2):
        for name, seconds in contenders.items():
            print(f"{name:20} {IMAGES / seconds():6.0f} images/s")


if __name__ == "__main__":
    main()
