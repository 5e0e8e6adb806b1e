"""Single images, converted by real workers: sizes, colours, transparency, depth and metadata."""

import io
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image, ImageCms

from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.conversion.making import (
    CONVERSION_LIMITS,
    Converted,
    convert_image,
    formats_of,
)
from s3pipelines.core.imaging.conversion.outputs import OUTPUTS
from s3pipelines.core.imaging.conversion.recipe import recipe_of
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from tests.core.imaging.pictures import BLUE, GREEN, RED, alike, file_of, quadrants, shows_quadrants

Convert = Callable[..., tuple[Converted, bytes]]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DecodePool]:
    """A worker that may write files."""
    with DecodePool(CONVERSION_LIMITS, slots=Slots(1, tmp_path_factory.mktemp("slots"))) as made:
        yield made


@pytest.fixture
def convert(pool: DecodePool) -> Convert:
    """Convert the bytes of a file by a recipe in plain values."""

    def made(data: bytes, *steps: Any, **told: Any) -> tuple[Converted, bytes]:
        recipe = recipe_of({"output": "png", "steps": list(steps), **told})
        with tempfile.TemporaryFile() as file:
            converted = convert_image(pool, data, "", recipe, file)
            file.seek(0)
            return converted, file.read()

    return made


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(
    ("step", "size"),
    [
        ({"resize": {"width": 60, "height": 60}}, (60, 40)),
        ({"resize": {"height": 20}}, (30, 20)),
        ({"resize": {"width": 240}}, (120, 80)),
        ({"resize": {"width": 240, "enlarge": True}}, (240, 160)),
        ({"resize": {"width": 50, "height": 50, "fit": "fill"}}, (50, 50)),
        ({"resize": {"width": 50, "height": 50, "fit": "fill", "at": "attention"}}, (50, 50)),
        ({"resize": {"width": 200, "height": 30, "fit": "exact"}}, (200, 30)),
        ({"resize": {"percent": 50}}, (60, 40)),
        ({"crop": {"width": 40, "height": 30, "x": 80, "y": 50}}, (40, 30)),
        ({"crop": {"width": 40, "height": 30}}, (40, 30)),
        ({"crop": {"width": 40, "height": 30, "at": "attention"}}, (40, 30)),
        ({"rotate": 90}, (80, 120)),
        ({"rotate": -180}, (120, 80)),
        ({"flip": "horizontal"}, (120, 80)),
        ({"sharpen": {"sigma": 1, "amount": 2}}, (120, 80)),
    ],
)
def test_an_image_has_the_size_that_a_step_promises(convert: Convert, step: dict, size: tuple):
    converted, data = convert(file_of(quadrants(), "PNG"), step)

    assert (converted.width_px, converted.height_px) == opened(data).size == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_upright_before_the_first_step(convert: Convert, orientation: int):
    ways = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    lying = quadrants(640, 400)
    if orientation > 1:
        lying = lying.transpose(Image.Transpose(ways[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    data = file_of(lying, "JPEG", quality=95, exif=exif)

    # Exactly the upper half; a JPEG that is made smaller first is decoded smaller.
    steps = ({"resize": {"width": 64}}, {"resize": {"percent": 100}})
    for output in ("jpeg", "png", "webp", "tiff"):
        converted, small = convert(data, *steps, output=output)
        assert (converted.width_px, converted.height_px) == (64, 40)
        image = opened(small)
        assert shows_quadrants(image, within=24)
        assert image.getexif().get(0x0112, 1) == 1
        assert image.getexif()[0x010F] == "Maker"


def test_corners_get_the_background_and_what_is_transparent_stays_so(convert: Convert):
    plain, seen = file_of(quadrants(), "PNG"), file_of(quadrants(mode="RGBA"), "PNG")

    white = opened(convert(plain, {"rotate": 30})[1])
    red = opened(convert(plain, {"rotate": {"angle": 30, "background": "#dc1e1e"}})[1])
    clear = opened(convert(seen, {"rotate": 30})[1])
    opaque = opened(convert(plain, {"rotate": {"angle": 30, "background": "transparent"}})[1])

    assert white.size == red.size == clear.size
    assert alike(white.getpixel((1, 1)), (255, 255, 255), 1)  # pyright: ignore[reportArgumentType]
    assert alike(red.getpixel((1, 1)), RED, 1)  # pyright: ignore[reportArgumentType]
    for image in (clear, opaque):
        assert image.mode == "RGBA"
        assert image.getpixel((1, 1))[3] == 0  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]
        assert image.getpixel((80, 60))[3] == 255  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]


def test_the_colour_of_what_is_transparent_does_not_shine_through(convert: Convert):
    image = Image.new("RGBA", (100, 100), (0, 255, 0, 0))
    image.paste((220, 30, 30, 255), (0, 0, 50, 100))
    data = file_of(image, "PNG")

    for step in ({"resize": {"width": 33}}, {"rotate": 7}):
        made = opened(convert(data, step)[1])
        edges = [
            made.getpixel((x, y)) for x in range(made.width) for y in range(10, made.height - 10)
        ]
        half = [pixel for pixel in edges if 60 < pixel[3] < 250]  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]
        assert half
        assert all(pixel[1] < 60 for pixel in half)  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]


def test_transparency_goes_onto_a_background_where_a_format_has_none(convert: Convert):
    data = file_of(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG")

    white = opened(convert(data, output="jpeg")[1])
    blue = opened(convert(data, output={"format": "jpeg", "background": "#1e28dc"})[1])
    green = opened(convert(data, {"flatten": "#1eb428"})[1])

    assert alike(white.getpixel((9, 9)), (255, 255, 255), 3)  # pyright: ignore[reportArgumentType]
    assert alike(blue.getpixel((9, 9)), BLUE, 5)  # pyright: ignore[reportArgumentType]
    assert (green.mode, green.getpixel((9, 9))) == ("RGB", GREEN)


@pytest.mark.parametrize(("output", "bits"), [("png", 16), ("tiff", 16), ("jp2", 16), ("jpeg", 8)])
def test_16_bits_stay_where_the_format_has_them(convert: Convert, output: str, bits: int):
    ramp = Image.frombytes("I;16", (256, 32), b"".join(
        (256 * n + 3).to_bytes(2, "little") for _ in range(32) for n in range(255, -1, -1)
    ))  # fmt: skip
    data = file_of(ramp, "PNG")

    converted, made = convert(data, {"flip": "horizontal"}, output=output)

    assert (converted.bits, converted.bands) == (bits, 1)
    if bits == 16:
        assert opened(made).getpixel((200, 9)) == 256 * 200 + 3


def test_measurements_stay_in_a_tiff_and_are_made_visible_elsewhere(convert: Convert):
    data = file_of(Image.linear_gradient("L").convert("F").point(lambda v: v * -3.5), "TIFF")

    measured = convert(data, output="tiff")
    shown = convert(data, output="webp")

    assert (measured[0].bits, opened(measured[1]).mode) == (32, "F")
    assert opened(measured[1]).getextrema() == (-892.5, 0.0)
    assert (shown[0].bits, shown[0].bands) == (8, 3)


def profiled() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8825)[1] = "N"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'></x:xmpmeta>"
    return file_of(quadrants(), "JPEG", quality=95, exif=exif, icc_profile=srgb, xmp=xmp)


@pytest.mark.parametrize("output", ["jpeg", "png", "webp", "avif", "tiff"])
def test_metadata_is_kept_or_stripped_as_told(convert: Convert, output: str):
    kept = opened(convert(profiled(), output=output)[1])
    some = opened(convert(profiled(), output=output, metadata=["icc"])[1])
    none = opened(convert(profiled(), output=output, metadata="strip")[1])

    assert kept.getexif().get(0x010F, "").rstrip("\0") == "Maker"
    assert kept.getexif().get_ifd(0x8825)
    assert kept.info["icc_profile"] == some.info["icc_profile"]
    for stripped in (some, none):
        assert 0x010F not in stripped.getexif()
        assert not stripped.getexif().get_ifd(0x8825)
        assert not stripped.info.get("xmp")
    assert "icc_profile" not in none.info


def test_colours_go_to_the_space_that_is_asked_for(convert: Convert):
    data = file_of(quadrants(), "PNG")

    grey = convert(data, {"colour_space": "gray"}, output="jpeg")
    cmyk = convert(data, {"colour_space": "cmyk"}, output="tiff")
    wide = convert(data, {"colour_space": "p3"}, output="png")
    back = convert(cmyk[1], {"colour_space": "srgb"}, output="png")

    assert opened(grey[1]).mode == "L"
    assert opened(cmyk[1]).mode == "CMYK"
    assert opened(wide[1]).getpixel((9, 9)) != RED
    assert opened(wide[1]).info["icc_profile"]
    # CMYK has no such blue, and what it has instead is darker.
    assert shows_quadrants(opened(back[1]), within=100)


def test_a_part_that_the_image_is_too_small_for_is_refused_with_the_figures(convert: Convert):
    with pytest.raises(Refused) as refused:
        convert(
            file_of(quadrants(), "PNG"), {"crop": {"width": 100, "height": 50, "x": 60, "y": 0}}
        )

    assert refused.value.failure.reason == "too_small"
    assert "120 x 80 pixels" in refused.value.failure.detail


def test_a_side_that_the_format_cannot_have_is_refused(convert: Convert):
    long = file_of(quadrants(20_000, 8), "PNG")

    with pytest.raises(Refused) as refused:
        convert(long, output="webp")

    assert refused.value.failure.reason == "too_large"
    assert "16,383" in refused.value.failure.detail


def test_a_damaged_image_gives_no_file(convert: Convert):
    with pytest.raises(Refused) as refused:
        convert(file_of(quadrants(400, 400), "PNG")[:-400])
    assert refused.value.failure.reason in ("truncated", "corrupt")


def test_this_machine_writes_the_formats_of_the_web_and_of_archives(pool: DecodePool):
    found = formats_of(pool)

    assert {"jpeg", "png", "webp", "avif", "tiff", "jp2", "gif"} <= set(found) <= set(OUTPUTS)
    assert {"deflate", "lzw", "jpeg", "none"} <= set(found["tiff"])
