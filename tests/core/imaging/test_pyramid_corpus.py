"""Every file of the corpus gives a pyramid, or the reason for which it has no thumbnail either."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS, Input, make_pyramid
from tests.core.imaging.test_corpus import EXPECTED

# name -> what its pyramid has at full resolution, where that says something.
SIZES = {
    "CMU-1-Small-Region.svs": (2220, 2967),
    "avif-orientation-6.avif": (3024, 4032),
    "big-height.webp": (13, 169),
    "multi-channel-z-series.ome.tif": (439, 167),
    "ojpeg-tile.tif": (234, 213),
    **{f"rotation_{n}.jpg": (308, 410) for n in (1, 2, 3, 4)},
    **{f"rotation_{n}.jpg": (231, 308) for n in (5, 6, 7, 8)},
    "ultra-hdr.jpg": (3840, 2160),
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DecodePool]:
    """Two workers that may write files."""
    with DecodePool(PYRAMID_LIMITS, slots=Slots(2, tmp_path_factory.mktemp("slots"))) as made:
        yield made


@pytest.mark.parametrize("compression", ["jpeg", "webp", "deflate"])
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_file_is_a_pyramid_or_a_true_reason(
    name: str, compression: str, corpus: Path, pool: DecodePool
):
    image = Input((corpus / name).read_bytes(), name.rpartition(".")[2].lower())
    params = PyramidParams(compression=compression)  # pyright: ignore[reportArgumentType]
    reason, word = EXPECTED[name]
    with tempfile.TemporaryFile() as file:
        if isinstance(reason, int):
            made = make_pyramid(pool, image, params, file)
            assert (made.width_px, made.height_px) == SIZES.get(
                name, (made.width_px, made.height_px)
            )
            return
        with pytest.raises(Refused) as refused:
            make_pyramid(pool, image, params, file)
    assert refused.value.failure.reason == reason
    assert str(word) in refused.value.failure.detail
