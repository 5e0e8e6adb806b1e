"""Photographs from S3 to S3, as thumbnails or pyramids: ours, and what one writes with Pillow."""

import io
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from typing import Any, Literal

_BOX_PX, _QUALITY = 400, 80
_TILE_PX, _PYRAMID_QUALITY = 256, 85
_PROCESSES, _THREADS = 2, 8
_KEYS_A_TASK = 50


def fill_photographs(bucket: str, objects: str, *others: str) -> dict[str, Any]:
    """Make a bucket with so many photographs in it, and empty ones beside it."""
    from benchmarks.photographs import photographs
    from s3pipelines.core.storage.access import Access
    from s3pipelines.core.storage.clients import s3_client

    client = s3_client(Access())
    for name in (bucket, *others):
        client.create_bucket(Bucket=name)
    kinds = photographs()
    with ThreadPoolExecutor(4) as threads:
        done = [
            threads.submit(
                client.put_object,
                Bucket=bucket,
                Key=f"2026/{number % 7:02d}/IMG_{number:06d}.jpg",
                Body=kinds[number % len(kinds)],
            )
            for number in range(int(objects))
        ]
        for one in done:
            one.result()
    return {"bytes": sum(len(one) for one in kinds) / len(kinds) * int(objects)}


def thumbnails_by_us(catalog: str, source_id: str, derivatives: str) -> dict[str, Any]:
    """The source's thumbnails, by the code that makes them in production."""
    return _by_us(catalog, source_id, derivatives, "thumbnail")


def pyramids_by_us(catalog: str, source_id: str, derivatives: str) -> dict[str, Any]:
    """The source's pyramids, by the code that makes them in production."""
    return _by_us(catalog, source_id, derivatives, "pyramid")


def thumbnails_by_pillow(bucket: str, target: str, prefix: str) -> dict[str, Any]:
    """Two processes with a few threads each: GET, draft mode, PUT."""
    return _by_pillow("thumbnail", bucket, target, prefix)


def pyramids_by_pillow(bucket: str, target: str, prefix: str) -> dict[str, Any]:
    """The same, with levels of half the size until one fits into a tile."""
    return _by_pillow("pyramid", bucket, target, prefix)


def count_objects(bucket: str, prefix: str) -> dict[str, Any]:
    """How many objects there are below a prefix, and their bytes."""
    from s3pipelines.core.storage.access import Access
    from s3pipelines.core.storage.clients import s3_client

    pages = (
        s3_client(Access()).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    )
    sizes = [entry["Size"] for page in pages for entry in page.get("Contents", [])]
    return {"objects": len(sizes), "bytes": sum(sizes)}


_Kind = Literal["thumbnail", "pyramid"]


def _by_us(catalog: str, source_id: str, derivatives: str, kind: _Kind) -> dict[str, Any]:
    from s3pipelines.core.catalog.catalog import Catalog
    from s3pipelines.core.imaging.pool import DecodePool
    from s3pipelines.core.imaging.wishes import LIMITS, Work
    from s3pipelines.core.imaging.work import run
    from s3pipelines.core.storage.locations import parse_location

    home = Catalog(parse_location(catalog), derivatives=derivatives)
    with DecodePool(LIMITS[kind]) as pool:
        pool.reader_version  # noqa: B018 - a worker is there then, as for files of this machine
        started = time.perf_counter()
        report = run(home, Work(source_id, kind), pool=pool)
        work_s = time.perf_counter() - started
    return {"made": report.made, "failed": dict(report.failed), "work_s": work_s}


def _by_pillow(kind: _Kind, bucket: str, target: str, prefix: str) -> dict[str, Any]:
    import boto3

    started = time.perf_counter()
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [entry["Key"] for page in pages for entry in page["Contents"]]
    tasks = [keys[at : at + _KEYS_A_TASK] for at in range(0, len(keys), _KEYS_A_TASK)]
    with ProcessPoolExecutor(_PROCESSES, initializer=_connect) as processes:
        made = sum(processes.map(partial(_some, kind, bucket, target, prefix), tasks))
    return {"made": made, "failed": {}, "work_s": time.perf_counter() - started}


_state: dict[str, Any] = {}


def _connect() -> None:
    import boto3
    from botocore.config import Config

    os.environ["OMP_NUM_THREADS"] = "1"
    _state["client"] = boto3.client("s3", config=Config(max_pool_connections=_THREADS))
    _state["threads"] = ThreadPoolExecutor(_THREADS)


def _some(kind: _Kind, bucket: str, target: str, prefix: str, keys: Sequence[str]) -> int:
    return sum(_state["threads"].map(partial(_one, kind, bucket, target, prefix), keys))


def _one(kind: _Kind, bucket: str, target: str, prefix: str, key: str) -> int:
    body = _state["client"].get_object(Bucket=bucket, Key=key)["Body"].read()
    made, ending = (_thumbnail(body), "webp") if kind == "thumbnail" else (_pyramid(body), "tif")
    _state["client"].put_object(Bucket=target, Key=f"{prefix}{key}.{ending}", Body=made)
    return 1


def _thumbnail(body: bytes) -> bytes:
    from PIL import Image

    image = Image.open(io.BytesIO(body))
    image.draft("RGB", (2 * _BOX_PX, 2 * _BOX_PX))
    image.thumbnail((_BOX_PX, _BOX_PX))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY)
    return buffer.getvalue()


def _pyramid(body: bytes) -> bytes:
    from PIL import Image

    levels: list[Image.Image] = [Image.open(io.BytesIO(body))]
    while max(levels[-1].size) > _TILE_PX:
        levels.append(levels[-1].reduce(2))
    buffer = io.BytesIO()
    options: dict[str, Any] = {"compression": "jpeg", "quality": _PYRAMID_QUALITY}
    levels[0].save(buffer, "TIFF", save_all=True, append_images=levels[1:], **options)
    return buffer.getvalue()
