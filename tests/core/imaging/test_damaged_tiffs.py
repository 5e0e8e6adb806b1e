"""A part of a TIFF that does not decode is never black: the image is refused, or read otherwise."""

import io
import tempfile
from collections.abc import Iterator

import pytest
import tifffile

from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS, Input, make_pyramid
from tests.core.imaging.pictures import chart, thumbnail_of

CODECS = ["lzw", "zlib", "jpeg"]
TILE_PX = 256


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DecodePool]:
    """Two workers that may write files."""
    with DecodePool(PYRAMID_LIMITS, slots=Slots(2, tmp_path_factory.mktemp("slots"))) as made:
        yield made


def tiff(codec: str, *, damaged: bool) -> bytes:
    """A TIFF of six tiles, the second of which is full of ones from its tenth byte on."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, chart(), tile=(TILE_PX, TILE_PX), compression=codec, photometric="rgb")
    data = bytearray(buffer.getvalue())
    if damaged:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            start, length = page.dataoffsets[1] + 10, page.databytecounts[1] - 10
        data[start : start + length] = b"\xff" * length
    return bytes(data)


@pytest.mark.parametrize("codec", CODECS)
def test_a_thumbnail_of_it_is_refused(pool: DecodePool, codec: str):
    thumbnail_of(pool, tiff(codec, damaged=False))

    with pytest.raises(Refused):
        thumbnail_of(pool, tiff(codec, damaged=True))


@pytest.mark.parametrize("codec", CODECS)
def test_a_pyramid_of_it_is_refused(pool: DecodePool, codec: str):
    with tempfile.TemporaryFile() as output:
        make_pyramid(pool, Input(tiff(codec, damaged=False), ".tif"), PyramidParams(), output)

    with tempfile.TemporaryFile() as output, pytest.raises(Refused):
        make_pyramid(pool, Input(tiff(codec, damaged=True), ".tif"), PyramidParams(), output)
