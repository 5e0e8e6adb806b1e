"""Pyramids in the programs of others: Pillow and tifffile see all levels, and their pixels."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
import tifffile
from PIL import Image

from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS
from tests.core.imaging.pictures import CELL_PX, chart
from tests.core.imaging.pyramid_files import image_file, pyramid_file, pyramid_of

WIDTH_PX, HEIGHT_PX = 1000, 700
SIZES = [(1000, 700), (500, 350), (250, 175)]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DecodePool]:
    """Two workers that may write files."""
    with DecodePool(PYRAMID_LIMITS, slots=Slots(2, tmp_path_factory.mktemp("slots"))) as made:
        yield made


def by_pillow(data: bytes) -> list[np.ndarray]:
    """All levels; those below the page are the last frames, as its children."""
    with Image.open(io.BytesIO(data)) as page:
        children = [np.asarray(child) for child in page.get_child_images()]
        frames: list[np.ndarray] = []
        for number in range(getattr(page, "n_frames", 1)):
            page.seek(number)
            frames.append(np.asarray(page))
    return frames + children


def by_tifffile(data: bytes) -> list[np.ndarray]:
    """All levels of the one series that tifffile makes of them."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert len(file.series) == 1
        assert file.series[0].is_pyramidal
        return [level.asarray() for level in file.series[0].levels]


def assert_levels_show(levels: list[np.ndarray], pixels: np.ndarray, most_off: int) -> None:
    """Whether the first has the pixels, and the next one, as far as a codec keeps them."""
    assert [(level.shape[1], level.shape[0]) for level in levels] == SIZES
    scale = np.iinfo(pixels.dtype).max // 255
    for depth, level in enumerate(levels[:2]):
        side = CELL_PX >> depth
        assert (level.dtype, level.shape[2:]) == (pixels.dtype, pixels.shape[2:])
        found = level[side // 2 :: side, side // 2 :: side].astype(int)
        wanted = pixels[CELL_PX // 2 :: CELL_PX, CELL_PX // 2 :: CELL_PX].astype(int)
        if pixels.shape[2:] == (4,):
            found, wanted = found[wanted[..., 3] > 0], wanted[wanted[..., 3] > 0]
        assert np.abs(found - wanted).max() <= most_off * scale


@pytest.mark.parametrize("subifds", [False, True])
@pytest.mark.parametrize(
    ("compression", "kind", "most_off"),
    [
        ("jpeg", "rgb", 24),
        ("webp", "rgb", 24),
        ("webp", "rgba", 24),
        ("deflate", "rgb", 0),
        ("deflate", "rgba", 0),
        ("deflate", "16-bit rgb", 0),
        ("deflate", "16-bit grey", 0),
    ],
)
def test_tifffile_and_pillow_read_all_levels_and_their_pixels(
    pool: DecodePool, compression, kind: str, most_off: int, subifds: bool
):
    pixels = chart(WIDTH_PX, HEIGHT_PX, 4 if kind == "rgba" else 3)
    if kind.startswith("16-bit"):
        pixels = pixels.astype(np.uint16) * 257
    if kind == "16-bit grey":
        pixels = np.ascontiguousarray(pixels[..., 0])
    params = PyramidParams(compression=compression, subifds=subifds)

    data = pyramid_file(pool, pixels, params)

    assert_levels_show(by_tifffile(data), pixels, most_off)
    # Pillow has no 16-bit RGB, and its own build decides about WebP in TIFF.
    if kind != "16-bit rgb" and compression != "webp":
        assert_levels_show(by_pillow(data), pixels, most_off)


def test_what_tifffile_said_of_an_image_is_not_said_of_its_pyramid(pool: DecodePool):
    pixels = chart(WIDTH_PX, HEIGHT_PX)
    image = image_file(pixels, {"axes": "YXS", "Sample": 7})
    assert tifffile.TiffFile(io.BytesIO(image)).is_shaped

    data = pyramid_of(pool, image, PyramidParams(compression="deflate"))

    assert_levels_show(by_tifffile(data), pixels, 0)
