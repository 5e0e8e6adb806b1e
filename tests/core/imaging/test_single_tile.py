"""Single tiles of a pyramid: each shows its part of the image, and costs the bytes of that part."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
import tifffile
from PIL import Image

from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS
from s3pipelines.core.imaging.single_tile import PyramidFile, draw_single_tile
from s3pipelines.core.imaging.sparse import BytesSource
from tests.core.imaging.pictures import CELL_PX, chart
from tests.core.imaging.pyramid_files import pyramid_file, written_elsewhere

WIDTH_PX, HEIGHT_PX = 1000, 700


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DecodePool]:
    """Two workers that may write files."""
    with DecodePool(PYRAMID_LIMITS, slots=Slots(2, tmp_path_factory.mktemp("slots"))) as made:
        yield made


@dataclass
class Counted:
    """Bytes at hand that remember which ranges were read."""

    data: bytes
    ranges: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def read_range(self, offset: int, length: int) -> bytes:
        self.ranges.append((offset, length))
        return self.data[offset : offset + length]


def whole_level(pool: DecodePool, pyramid: PyramidFile, level: int) -> np.ndarray:
    """A level, put together from all of its tiles; with alpha."""
    size = pyramid.levels[level]
    canvas = Image.new("RGBA", (size.width_px, size.height_px))
    for row in range(size.rows):
        for column in range(size.columns):
            tile = Image.open(io.BytesIO(draw_single_tile(pool, pyramid, level, column, row)))
            assert tile.format == "WEBP"
            at = column * pyramid.tile_px, row * pyramid.tile_px
            assert tile.width == min(pyramid.tile_px, size.width_px - at[0])
            assert tile.height == min(pyramid.tile_px, size.height_px - at[1])
            canvas.paste(tile.convert("RGBA"), at)
    return np.asarray(canvas).astype(int)


def centres(pixels: np.ndarray) -> np.ndarray:
    """The pixels in the middle of all cells, which no lossy codec blurs."""
    return pixels[CELL_PX // 2 :: CELL_PX, CELL_PX // 2 :: CELL_PX]


def assert_shows(shown: np.ndarray, expected: np.ndarray) -> None:
    """Whether the cells are those of the chart, where they are not transparent."""
    expected = expected.astype(int)
    found, wanted = centres(shown), centres(expected)
    if wanted.shape[2] == 4:
        assert np.abs(found[..., 3] - wanted[..., 3]).max() <= 2
        seen = wanted[..., 3] > 0
        found, wanted = found[seen], wanted[seen]
    assert np.abs(found[..., :3] - wanted[..., :3]).max() <= 24
    assert np.abs(found[..., :3] - wanted[..., :3]).mean() <= 3


@pytest.mark.parametrize("subifds", [False, True])
@pytest.mark.parametrize(
    ("compression", "bands"),
    [("jpeg", 3), ("webp", 3), ("webp", 4), ("deflate", 3), ("deflate", 4), ("lzw", 3)],
)
def test_the_tiles_of_a_level_together_are_the_image(
    pool: DecodePool, compression, bands: int, subifds: bool
):
    pixels = chart(WIDTH_PX, HEIGHT_PX, bands)
    params = PyramidParams(compression=compression, subifds=subifds)

    pyramid = PyramidFile(BytesSource(pyramid_file(pool, pixels, params)))

    sizes = [(level.width_px, level.height_px) for level in pyramid.levels]
    assert sizes == [(250, 175), (500, 350), (1000, 700)]
    assert pyramid.may_be_transparent == (bands == 4)
    assert_shows(whole_level(pool, pyramid, 2), pixels)
    # Two pixels are one there, so that a cell has 8.
    smaller = whole_level(pool, pyramid, 1).repeat(2, 0).repeat(2, 1)
    assert_shows(smaller, pixels)


def test_16_bits_are_brought_to_8_and_measurements_to_shades_of_one_scale(pool: DecodePool):
    deflate = PyramidParams(compression="deflate")
    pixels = chart(WIDTH_PX, HEIGHT_PX)
    colour = PyramidFile(BytesSource(pyramid_file(pool, pixels.astype(np.uint16) * 257, deflate)))
    assert_shows(whole_level(pool, colour, 2), pixels)

    # Each tile on a scale of its own would be as bright as any other.
    grey = np.repeat(np.arange(WIDTH_PX, dtype=np.uint16)[None] * 4, HEIGHT_PX, axis=0)
    measured = PyramidFile(BytesSource(pyramid_file(pool, grey, deflate)))
    shown = whole_level(pool, measured, 2)[:, :, 0]
    across = shown[100]
    assert (np.diff(across[::10]) >= -2).all()
    assert across[10] < 12
    assert abs(across[500] - 125) < 10


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_either_order_of_bytes_and_width_of_offsets_is_read(
    pool: DecodePool, byteorder: str, big: bool
):
    pixels = chart(300, 200)
    pyramid = PyramidFile(BytesSource(written_elsewhere(pixels, byteorder, big)))
    assert [(level.columns, level.rows) for level in pyramid.levels] == [(3, 2), (5, 4)]
    assert_shows(whole_level(pool, pyramid, 1), pixels)


def test_a_tile_costs_its_own_bytes_and_the_directories_are_read_once(pool: DecodePool):
    noise = np.random.default_rng(1).integers(0, 256, (2500, 2500, 3), dtype=np.uint8)
    source = Counted(pyramid_file(pool, noise, PyramidParams(compression="none")))
    pyramid = PyramidFile(source)
    assert sum(length for _, length in source.ranges) < source.size_bytes / 20
    pyramid.tile(4, 0, 0)
    source.ranges.clear()

    for column in range(3):
        pyramid.tile(4, column, 1)

    assert [length for _, length in source.ranges] == [256 * 256 * 3] * 3


def test_there_is_no_tile_beyond_the_image(pool: DecodePool):
    pyramid = PyramidFile(BytesSource(written_elsewhere(chart(300, 200), "<", False)))
    for level, column, row in ((2, 0, 0), (-1, 0, 0), (1, 5, 0), (1, 0, 4), (1, -1, 0)):
        with pytest.raises(IndexError):
            pyramid.tile(level, column, row)


def _strips() -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, chart(300, 200))
    return buffer.getvalue()


def _planes() -> bytes:
    buffer = io.BytesIO()
    planes = np.moveaxis(chart(300, 200), 2, 0)
    tifffile.imwrite(
        buffer, planes, photometric="rgb", planarconfig="separate", tile=(64, 64), metadata=None
    )
    return buffer.getvalue()


WHOLE = written_elsewhere(chart(300, 200), "<", False)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "unsupported"),
        (b"II*\0", "corrupt"),
        (b"II*\0\x08\0\0\0", "truncated"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "unsupported"),
        (_strips(), "unsupported"),
        (_planes(), "unsupported"),
        (WHOLE[:1000], "truncated"),
        # The directory is there, the tiles behind it are not.
        (WHOLE[: len(WHOLE) // 4], "truncated"),
    ],
)
def test_what_is_no_pyramid_or_a_part_of_one_is_refused(data: bytes, reason: str):
    with pytest.raises(Refused) as refused:
        PyramidFile(BytesSource(data)).tile(0, 0, 0)
    assert refused.value.failure.reason == reason


@pytest.mark.parametrize("compression", ["jpeg", "webp", "deflate", "lzw"])
def test_a_tile_that_was_overwritten_is_refused_and_not_black_and_the_next_one_is_shown(
    pool: DecodePool, compression
):
    params = PyramidParams(compression=compression, tile_px=128)
    data = bytearray(pyramid_file(pool, chart(300, 200), params))
    with tifffile.TiffFile(io.BytesIO(data)) as opened:
        page = opened.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        offset, length = page.dataoffsets[0], page.databytecounts[0]
    data[offset : offset + length] = b"\xff" * length
    pyramid = PyramidFile(BytesSource(bytes(data)))
    deepest = len(pyramid.levels) - 1

    with pytest.raises(Refused):
        draw_single_tile(pool, pyramid, deepest, 0, 0)

    assert draw_single_tile(pool, pyramid, deepest, 1, 0)
