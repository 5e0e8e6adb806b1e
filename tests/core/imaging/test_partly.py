"""Thumbnails of pyramids from parts of the file: the same as from all of it, for fewer bytes."""

import io
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging import making
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.partly import make_thumbnail_partly
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.results import Thumbnail
from s3pipelines.core.imaging.sparse import BytesSource
from s3pipelines.core.imaging.thumbnails import ThumbnailParams, make_thumbnail
from s3pipelines.core.imaging.tiff_parts import coalesced
from s3pipelines.core.imaging.wishes import Work
from s3pipelines.core.imaging.work import run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from tests.core.imaging.conftest import MakePool

SaveTiff = Callable[..., bytes]

# libvips reads its settings when it starts, and those of the tests are none of its business.
_SAVE = """
import json, sys
import pyvips
folder, options = sys.argv[1], json.loads(sys.argv[2])
bands = [pyvips.Image.gaussnoise(3000, 2000, sigma=60, mean=90 + 30 * n) for n in range(3)]
image = bands[0].bandjoin(bands[1:]).gaussblur(2).cast("uchar").copy(interpretation="srgb")
image.tiffsave(folder + "/made.tif", **options)
"""


class Counting(BytesSource):
    """Bytes at hand that count what is read of them."""

    bytes_read = 0
    requests = 0

    def read_range(self, offset: int, length: int) -> bytes:
        data = super().read_range(offset, length)
        self.bytes_read += len(data)
        self.requests += 1
        return data


@pytest.fixture
def save_tiff(tmp_path: Path) -> SaveTiff:
    """A TIFF of noise by libvips, with the options of `tiffsave`."""

    def save(**options: Any) -> bytes:
        command = [sys.executable, "-c", _SAVE, str(tmp_path), json.dumps(options)]
        subprocess.run(command, check=True, timeout=60)
        return (tmp_path / "made.tif").read_bytes()

    return save


def partly(
    pool: DecodePool, data: bytes, params: ThumbnailParams | None = None
) -> tuple[Thumbnail | None, Counting]:
    source = Counting(data)
    params = params or ThumbnailParams()
    return make_thumbnail_partly(pool, source, "tif", params, lambda _: nullcontext()), source


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "jpeg", "Q": 90},
        {"compression": "jpeg", "Q": 90, "bigtiff": True},
        {"compression": "deflate"},
        {"compression": "none"},
        {"compression": "lzw", "predictor": "horizontal"},
        {"compression": "jpeg", "subifd": True},
        {"compression": "deflate", "subifd": True, "bigtiff": True},
        {"compression": "deflate", "tile_width": 64, "tile_height": 64},
    ],
    ids=str,
)
def test_a_pyramid_gives_the_same_thumbnail_from_a_part_of_it(
    options: dict[str, Any], pool: DecodePool, save_tiff: SaveTiff
):
    data = save_tiff(tile=True, pyramid=True, **options)

    made, source = partly(pool, data)

    assert made == make_thumbnail(pool, data, "tif")
    assert source.bytes_read < len(data) / 2
    assert made is not None
    assert len(Image.open(io.BytesIO(made.webp)).convert("L").getcolors() or []) > 20


@pytest.mark.parametrize("box_px", [64, 400, 700])
def test_the_level_that_is_read_is_the_one_that_suffices(
    box_px: int, pool: DecodePool, save_tiff: SaveTiff
):
    data = save_tiff(tile=True, pyramid=True, compression="none")
    params = ThumbnailParams(box_px)

    made, source = partly(pool, data, params)

    assert made == make_thumbnail(pool, data, "tif", params)
    # Twice the box at most in each direction, in tiles of 128, and what is read around it.
    assert source.bytes_read < (2 * box_px + 256) ** 2 * 3 + 600_000


@pytest.mark.parametrize("options", [{"compression": "none"}, {"tile": True}], ids=str)
def test_an_image_without_small_levels_is_left_to_be_read_whole(
    options: dict[str, Any], pool: DecodePool, save_tiff: SaveTiff
):
    data = save_tiff(**options)

    made, source = partly(pool, data)

    assert made is None
    assert source.bytes_read < 600_000


def test_what_is_no_tiff_is_left_to_be_read_whole(pool: DecodePool):
    buffer = io.BytesIO()
    Image.effect_noise((2000, 1500), 90).save(buffer, "PNG")

    made, source = partly(pool, buffer.getvalue())

    assert (made, source.requests) == (None, 1)


def test_more_pages_than_are_looked_at_are_left_to_be_read_whole(pool: DecodePool):
    buffer = io.BytesIO()
    pages = [Image.effect_noise((64, 48), 90) for _ in range(70)]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])

    assert partly(pool, buffer.getvalue())[0] is None


def test_a_pyramid_that_is_cut_off_is_refused_and_no_hole_is_shown(
    pool: DecodePool, save_tiff: SaveTiff
):
    data = save_tiff(tile=True, pyramid=True, compression="none")
    (first,) = struct.unpack_from("<I", data, 4)

    with pytest.raises(Refused) as caught:
        partly(pool, data[: max(first, 70_000) - 50_000])

    assert caught.value.failure.reason in ("truncated", "corrupt")


def test_a_worker_asks_for_what_was_not_planned(
    pool: DecodePool, save_tiff: SaveTiff, monkeypatch: pytest.MonkeyPatch
):
    data = save_tiff(tile=True, pyramid=True, compression="deflate")
    whole = make_thumbnail(pool, data, "tif")
    ask = pool.ask

    def forgetful(request: Any) -> Any:
        answer = ask(request)
        if answer.header.get("parts"):
            answer.header["parts"] = answer.header["parts"][:1]
        return answer

    monkeypatch.setattr(pool, "ask", forgetful)

    assert partly(pool, data)[0] == whole


def test_a_slide_of_the_real_world_gives_the_same_thumbnail(pool: DecodePool, corpus: Path):
    data = (corpus / "CMU-1-Small-Region.svs").read_bytes()

    for box_px in (100, 400, 1000):
        made, _ = partly(pool, data, ThumbnailParams(box_px))
        if made is not None:
            assert made == make_thumbnail(pool, data, "svs", ThumbnailParams(box_px))


def test_parts_that_nearly_touch_are_read_together():
    far = 10_000_000
    parts = [(far, 10), (0, 100), (50, 100), (200, 50), (far + 5, 10**9)]

    assert coalesced(parts, far + 100) == [(0, 250), (far, 100)]


def test_a_run_reads_a_part_of_a_pyramid_and_says_so(
    local_catalog: Catalog,
    bucket: str,
    s3: Any,
    make_pool: MakePool,
    save_tiff: SaveTiff,
    monkeypatch: pytest.MonkeyPatch,
):
    data = save_tiff(tile=True, pyramid=True, compression="none")
    for key in ("a.tif", "folder/slide.unknown"):
        s3.put_object(Bucket=bucket, Key=key, Body=data)
    s3.put_object(Bucket=bucket, Key="plain.tif", Body=save_tiff(compression="none"))
    create_source(local_catalog, "slides", f"s3://{bucket}")
    refresh_index(local_catalog, "slides")
    monkeypatch.setattr(making, "_PARTLY_BYTES", 1_000_000)
    # Larger than what is fetched whole, the pyramids are made all the same.
    pool = make_pool(Limits(max_input_bytes=len(data) // 2))

    report = run(local_catalog, Work("slides", "thumbnail"), pool=pool)

    assert (report.made, dict(report.failed)) == (2, {"too_large": 1})
    assert report.bytes_read < len(data) / 4
