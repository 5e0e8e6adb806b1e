"""Workers that make pyramids, and where these go."""

import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import pytest
from PIL import Image

from s3pipelines.core.imaging import vips
from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS, Input, Pyramid, make_pyramid
from tests.core.imaging.pyramids.making import Make


@pytest.fixture(scope="package")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DecodePool]:
    """Two workers that may write files."""
    with DecodePool(PYRAMID_LIMITS, slots=Slots(2, tmp_path_factory.mktemp("slots"))) as made:
        yield made


@pytest.fixture(scope="package", autouse=True)
def _libvips_as_in_a_worker() -> None:
    """Some tests run the steps of a worker in this process."""
    vips.prepare()


@pytest.fixture
def output() -> Iterator[BinaryIO]:
    """An open file for a pyramid."""
    with tempfile.TemporaryFile() as file:
        yield file


@pytest.fixture
def make(pool: DecodePool, output: BinaryIO) -> Make:
    """Makes a pyramid, and opens it with a library that did not write it."""

    def made(
        data: bytes, params: PyramidParams | None = None, extension: str = "", **options: Any
    ) -> tuple[Pyramid, Image.Image]:
        image = Input(data, extension)
        pyramid = make_pyramid(pool, image, params or PyramidParams(), output, **options)
        opened = Image.open(output)
        assert opened.format == "TIFF"
        return pyramid, opened

    return made
