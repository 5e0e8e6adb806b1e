"""Every file of the corpus is converted, or has the reason for which it has no thumbnail."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.conversion.making import CONVERSION_LIMITS, convert_image
from s3pipelines.core.imaging.conversion.recipe import recipe_of
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from tests.core.imaging.test_corpus import EXPECTED

_SMALL = {"resize": {"width": 300, "height": 300}}
RECIPES = {
    "jpeg": {"output": "jpeg"},
    "png": {"output": "png", "steps": [_SMALL, {"rotate": 90}]},
    "webp": {"output": "webp", "steps": [_SMALL, {"rotate": 20}, "sharpen"], "metadata": "strip"},
    "avif": {"output": {"format": "avif", "effort": 0}, "steps": [_SMALL]},
    "tiff": {"output": "tiff"},
    "gif": {"output": "gif", "steps": [_SMALL, {"colour_space": "gray"}, "flatten"]},
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DecodePool]:
    """Two workers that may write files."""
    with DecodePool(CONVERSION_LIMITS, slots=Slots(2, tmp_path_factory.mktemp("slots"))) as made:
        yield made


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_file_is_converted_and_verified_or_a_true_reason(
    name: str, recipe: str, corpus: Path, pool: DecodePool
):
    data, extension = (corpus / name).read_bytes(), name.rpartition(".")[2].lower()
    reason, word = EXPECTED[name]
    with tempfile.TemporaryFile() as file:
        if isinstance(reason, int):
            made = convert_image(pool, data, extension, recipe_of(RECIPES[recipe]), file)
            assert made.samples
            assert max(made.width_px, made.height_px) <= 440 or not RECIPES[recipe].get("steps")
            return
        with pytest.raises(Refused) as refused:
            convert_image(pool, data, extension, recipe_of(RECIPES[recipe]), file)
    assert refused.value.failure.reason == reason
    assert str(word) in refused.value.failure.detail
