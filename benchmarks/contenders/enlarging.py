"""One large photograph, the same each time: a mosaic of small ones, with the grain of a sensor."""

import random
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

_QUALITY = 95
# As of a sensor at a high sensitivity: without grain, a mosaic has a third of the bytes.
_GRAIN_SIGMA = 6.0
_GRAIN_PX = 1999  # A prime, so that it never falls in step with the mosaic.
_SEED = 20261128


def make_large_photograph(path: str, width_px: str, height_px: str) -> dict[str, Any]:
    """Write a JPEG of any size; its pixels are never all in memory."""
    import numpy as np
    import pyvips

    from benchmarks.photographs import HEIGHT_PX, WIDTH_PX, photographs

    width, height = int(width_px), int(height_px)
    across, down = -(-width // WIDTH_PX), -(-height // HEIGHT_PX)
    chance = random.Random(_SEED)
    pieces: list[Any] = [
        pyvips.Image.new_from_buffer(photograph, "").copy_memory() for photograph in photographs()
    ]
    mosaic: Any = pyvips.Image.arrayjoin(
        [chance.choice(pieces) for _ in range(across * down)], across=across
    )
    noise = np.random.default_rng(_SEED).normal(0, _GRAIN_SIGMA, (_GRAIN_PX, _GRAIN_PX, 3))
    grain = pyvips.Image.new_from_array(noise.round().astype(np.int8))
    grain = grain.replicate(-(-width // _GRAIN_PX), -(-height // _GRAIN_PX))
    whole = mosaic.crop(0, 0, width, height) + grain.crop(0, 0, width, height)
    whole.cast("uchar").copy(interpretation="srgb").jpegsave(path, Q=_QUALITY)
    return {"bytes": Path(path).stat().st_size}


def pyramid_by_us(photo: str, made: str) -> dict[str, Any]:
    """A pyramid of a file, as a run makes it: in a confined worker, and compared with the image."""
    from s3pipelines.core.imaging.pool import DecodePool
    from s3pipelines.core.imaging.pyramid_params import PyramidParams
    from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS, Input, make_pyramid

    with (
        DecodePool(PYRAMID_LIMITS) as pool,
        Path(photo).open("rb") as given,
        Path(made).open("w+b") as file,
    ):
        pool.reader_version  # noqa: B018 - a worker is there then
        worker = psutil.Process(pool.pids()[0])
        before, started = worker.cpu_times(), time.perf_counter()
        pyramid = make_pyramid(pool, Input(given, "jpg"), PyramidParams(), file)
        work_s, after = time.perf_counter() - started, worker.cpu_times()
    return {
        "work_s": work_s,
        "cpu_s": after.user - before.user + after.system - before.system,
        "saving": asdict(pyramid.saving),
        "proving": asdict(pyramid.proving),
    }


def upload_photograph(photo: str, bucket: str, *others: str) -> dict[str, Any]:
    """Make a bucket with the photograph in it, and empty ones beside it."""
    from s3pipelines.core.storage.access import Access
    from s3pipelines.core.storage.clients import s3_client
    from s3pipelines.core.storage.upload import upload_file

    client = s3_client(Access())
    for name in (bucket, *others):
        client.create_bucket(Bucket=name)
    upload_file(Access(), Path(photo), bucket, Path(photo).name)
    return {}
