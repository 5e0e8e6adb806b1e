"""A file that does not hold what was meant is found out, whatever its header says."""

from pathlib import Path

import pytest
import pyvips
from PIL import Image

from s3pipelines.core.imaging import pillow
from s3pipelines.core.imaging.conversion.proof import prove
from s3pipelines.core.imaging.conversion.recipe import ConversionRecipe, recipe_of
from s3pipelines.core.imaging.decoding import Decoded
from s3pipelines.core.imaging.outcomes import Refused
from tests.core.imaging.pictures import quadrants


@pytest.fixture(autouse=True)
def _plugins() -> None:
    pillow.prepare()


def reference(image: Image.Image) -> Decoded:
    number = {"L": 1, "RGB": 3, "RGBA": 4}[image.mode]
    made = pyvips.Image.new_from_memory(image.tobytes(), *image.size, number, "uchar")
    return Decoded(made.copy(interpretation="srgb"), in_any_order=True)  # pyright: ignore[reportAttributeAccessIssue]


def proved(tmp_path: Path, meant: Image.Image, written: Image.Image, recipe: ConversionRecipe):
    path = tmp_path / "written"
    written.save(path, recipe.output.name, quality=90)
    with path.open("r+b") as file:
        return prove(reference(meant), recipe, file.fileno())


def shifted(image: Image.Image) -> Image.Image:
    return image.point([min(255, value + 1) for value in range(256)] * 3)


@pytest.mark.parametrize("name", ["png", "tiff"])
def test_a_lossless_file_must_hold_exactly_the_pixels(tmp_path: Path, name: str):
    recipe = recipe_of({"output": name})

    assert proved(tmp_path, quadrants(), quadrants(), recipe).psnr_db is None
    with pytest.raises(Refused, match="its pixels are not those"):
        proved(tmp_path, quadrants(), shifted(quadrants()), recipe)


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif"])
def test_a_lossy_file_must_be_close(tmp_path: Path, name: str):
    recipe = recipe_of({"output": {"format": name, "quality": 90}})

    near = proved(tmp_path, quadrants(), shifted(quadrants()), recipe)

    assert near.psnr_db is not None
    assert near.psnr_db > 25
    for wrong in (Image.new("RGB", (120, 80)), quadrants().rotate(180)):
        with pytest.raises(Refused, match="it differs from the image"):
            proved(tmp_path, quadrants(), wrong, recipe)


def test_size_format_bands_and_profile_must_be_as_promised(tmp_path: Path):
    recipe = recipe_of({"output": "png"})

    with pytest.raises(Refused, match="Its width is 60 and not 120"):
        proved(tmp_path, quadrants(), quadrants(60, 80), recipe)
    with pytest.raises(Refused, match="Its bands is 4 and not 3"):
        proved(tmp_path, quadrants(), quadrants(mode="RGBA"), recipe)
    (tmp_path / "other").write_bytes(b"")
    quadrants().save(tmp_path / "other", "jpeg")
    with (tmp_path / "other").open("rb") as file, pytest.raises(Refused, match="It is jpeg"):
        prove(reference(quadrants()), recipe, file.fileno())
    turned = Image.Exif()
    turned[0x0112] = 6
    quadrants().save(tmp_path / "turned", "png", exif=turned)
    with (tmp_path / "turned").open("rb") as file, pytest.raises(Refused, match="not upright"):
        prove(reference(quadrants()), recipe, file.fileno())
