"""What thumbnails show: upright, in the right colours, of the first page."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms, ImageOps

from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.thumbnails import ThumbnailParams, make_thumbnail
from tests.core.imaging.conftest import MakePool
from tests.core.imaging.pictures import (
    BLUE,
    RED,
    alike,
    corners,
    file_of,
    quadrants,
    shows_quadrants,
    thumbnail_of,
)

# What has to be done to an upright picture so that this orientation makes it upright again.
_UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_upright_in_every_format(orientation, format_name, pool: DecodePool):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = quadrants(600, 400)
    stored = upright.transpose(_UNDO[orientation]) if orientation > 1 else upright
    data = file_of(stored, format_name, exif=exif.tobytes())

    shown = thumbnail_of(pool, data, box_px=150)

    assert shown.size == (150, 100)
    assert shows_quadrants(shown)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_of_every_orientation_show_what_pillow_shows_upright(
    orientation, corpus: Path, pool: DecodePool
):
    path = corpus / f"rotation_{orientation}.jpg"
    upright = ImageOps.exif_transpose(Image.open(path)).convert("RGB")

    shown = thumbnail_of(pool, path.read_bytes(), "jpg", box_px=100)

    expected = upright.resize(shown.size, Image.Resampling.LANCZOS)
    difference = np.abs(np.asarray(shown.convert("RGB"), int) - np.asarray(expected, int))
    assert difference.mean() < 8


@pytest.mark.parametrize("options", [{"quality": 95}, {"quality": 95, "progressive": True}])
def test_cmyk_becomes_srgb(options, pool: DecodePool):
    cmyk = Image.new("CMYK", (64, 64), (0, 0, 0, 0))
    cmyk.paste((0, 255, 255, 0), (0, 0, 32, 64))  # No cyan, all magenta and yellow: red.

    left, right = corners(thumbnail_of(pool, file_of(cmyk, "JPEG", **options)))[:2]

    assert left[0] > 170
    assert max(left[1:]) < 90
    assert min(right) > 235


@pytest.mark.parametrize("value", [0, 6000, 20000, 40000, 65535])
def test_16_bit_grey_keeps_its_full_scale(value, pool: DecodePool):
    pixels = np.full((40, 60), value, np.uint16)
    pixels[0, 0] = 65535
    image = Image.fromarray(pixels)

    for format_name in ("PNG", "TIFF"):
        shown = thumbnail_of(pool, file_of(image, format_name))
        assert alike(corners(shown)[3], (value // 257,) * 3, within=6)


def test_16_bit_grey_of_a_12_bit_sensor_is_not_black(pool: DecodePool):
    pixels = np.full((40, 60), 2048, np.uint16)
    pixels[:10] = 4000

    shown = thumbnail_of(pool, file_of(Image.fromarray(pixels), "TIFF"))

    assert alike(corners(shown)[3], (128,) * 3, within=6)


def test_16_bit_colour_is_scaled_to_8_bits(pool: DecodePool):
    pixels = np.asarray(quadrants()).astype(np.uint16) * 257
    image = pyvips.Image.new_from_array(pixels, interpretation="rgb16")

    assert shows_quadrants(thumbnail_of(pool, image.pngsave_buffer()))


def test_a_palette_becomes_its_colours(pool: DecodePool):
    image = quadrants().quantize(8)
    for format_name in ("PNG", "GIF", "BMP", "TIFF", "PCX"):
        shown = thumbnail_of(pool, file_of(image, format_name), format_name.lower())
        assert shows_quadrants(shown), format_name


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "TIFF", "TGA", "ICO"])
def test_transparency_stays_and_hides_no_colours(format_name, pool: DecodePool):
    image = quadrants(64, 64, "RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 32, 32))

    shown = thumbnail_of(pool, file_of(image, format_name), format_name.lower())

    assert shown.mode == "RGBA"
    assert shown.getpixel((10, 10))[3] == 0  # pyright: ignore[reportIndexIssue, reportOptionalSubscript]
    assert alike(corners(shown)[2], BLUE)


def test_alpha_without_transparency_is_dropped(pool: DecodePool):
    assert thumbnail_of(pool, file_of(quadrants(mode="RGBA"), "PNG")).mode == "RGB"


@pytest.mark.parametrize("format_name", ["TIFF", "GIF", "WEBP", "PNG"])
def test_the_first_page_is_shown(format_name, pool: DecodePool):
    others = [Image.new("RGB", (120, 80), colour) for colour in ("black", "yellow")]
    data = file_of(
        quadrants(), format_name, save_all=True, append_images=others, lossless=True, duration=100
    )

    assert shows_quadrants(thumbnail_of(pool, data))


@pytest.mark.parametrize(
    ("format_name", "extension"),
    [
        ("BMP", "bmp"),
        ("PPM", "ppm"),
        ("TGA", "tga"),
        ("SGI", "sgi"),
        ("JPEG2000", "jp2"),
        ("ICO", "ico"),
        ("PCX", "pcx"),
        ("AVIF", "avif"),
    ],
)
def test_formats_that_only_pillow_reads_show_the_same(format_name, extension, pool: DecodePool):
    data = file_of(quadrants(64, 64), format_name)
    assert shows_quadrants(thumbnail_of(pool, data, extension))


def test_an_srgb_profile_changes_nothing(pool: DecodePool):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.new("RGB", (40, 40), RED)
    assert alike(corners(thumbnail_of(pool, file_of(image, "JPEG", icc_profile=srgb)))[0], RED)


def test_a_wide_gamut_photograph_is_converted_and_not_only_stripped(corpus: Path, pool: DecodePool):
    """In `sample-xyb.jpg` the bands are no RGB at all without its profile."""
    shown = thumbnail_of(pool, (corpus / "sample-xyb.jpg").read_bytes(), box_px=100)
    plain = thumbnail_of(pool, (corpus / "sample.jpg").read_bytes(), box_px=100)

    difference = np.abs(np.asarray(shown.convert("RGB"), int) - np.asarray(plain, int))
    assert difference.mean() < 12


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e9])
def test_floats_are_stretched_whatever_their_unit(scale, pool: DecodePool):
    ramp = np.tile(np.linspace(0, scale, 200, dtype=np.float32), (50, 1))
    ramp[0, 0] = np.nan
    ramp[1, 1] = np.inf

    shown = np.asarray(thumbnail_of(pool, file_of(Image.fromarray(ramp), "TIFF")).convert("L"))

    assert shown[25, 5] < 20
    assert shown[25, 195] > 235
    assert 110 < shown[25, 100] < 145


def test_signed_integers_are_stretched(pool: DecodePool):
    ramp = np.tile(np.arange(-100, 100, dtype=np.int16), (50, 1))
    image = pyvips.Image.new_from_array(ramp)

    shown = np.asarray(thumbnail_of(pool, image.tiffsave_buffer()).convert("L"))

    assert shown[25, 5] < 25
    assert shown[25, 195] > 230


def test_more_bands_than_colours_show_the_first_three(pool: DecodePool):
    pixels = np.dstack([np.asarray(quadrants()), *[np.zeros((80, 120), np.uint8)] * 4])
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="multiband")

    assert shows_quadrants(thumbnail_of(pool, image.tiffsave_buffer()))


def test_a_pyramid_is_read_from_the_level_that_suffices(pool: DecodePool):
    """The levels are painted over, so that the thumbnail tells where it came from."""
    full = quadrants(1600, 1600)
    levels = [Image.new("RGB", (size, size), RED) for size in (530, 180)]
    first = file_of(full, "TIFF", save_all=True, append_images=levels)

    shown = thumbnail_of(pool, _as_reduced(first), box_px=300)

    assert all(alike(colour, RED) for colour in corners(shown))
    assert shows_quadrants(thumbnail_of(pool, first, box_px=300))


def _as_reduced(tiff: bytes) -> bytes:
    """Say of every page but the first that it is a reduced copy (NewSubfileType 1)."""
    data = bytearray(tiff)
    (offset,) = struct.unpack_from("<I", data, 4)
    page = 0
    while offset:
        (count,) = struct.unpack_from("<H", data, offset)
        for at in range(offset + 2, offset + 2 + 12 * count, 12):
            # Pillow writes no tag 254; Software (305) or the like is not there either, so that
            # the resolution unit (296), which comes later, may become it: the order is not checked.
            if struct.unpack_from("<H", data, at)[0] == 284 and page:
                struct.pack_into("<HHII", data, at, 254, 4, 1, 1)
        (offset,) = struct.unpack_from("<I", data, offset + 2 + 12 * count)
        page += 1
    return bytes(data)


def test_the_preview_of_a_camera_serves_small_thumbnails(pool: DecodePool):
    data = _with_preview(quadrants(1200, 800), Image.new("RGB", (150, 100), BLUE))

    small = thumbnail_of(pool, data, box_px=140)
    large = thumbnail_of(pool, data, box_px=200)

    assert all(alike(colour, BLUE) for colour in corners(small))
    assert shows_quadrants(large)


def test_a_preview_of_another_shape_is_not_used(pool: DecodePool):
    data = _with_preview(quadrants(1200, 800), Image.new("RGB", (160, 120), BLUE))
    assert shows_quadrants(thumbnail_of(pool, data, box_px=140))


def _with_preview(image: Image.Image, preview: Image.Image) -> bytes:
    jpeg = file_of(preview, "JPEG")
    # A TIFF header, an empty first directory, and a second one that points at the preview.
    first = struct.pack("<HHHIII", 1, 0x0112, 3, 1, 1, 26)
    second = struct.pack("<H", 3) + struct.pack("<HHII", 0x0103, 3, 1, 6)
    second += struct.pack("<HHII", 0x0201, 4, 1, 26 + 2 + 36 + 4)
    second += struct.pack("<HHII", 0x0202, 4, 1, len(jpeg)) + struct.pack("<I", 0)
    exif = b"Exif\0\0" + struct.pack("<2sHI", b"II", 42, 8) + first + second + jpeg
    return file_of(image, "JPEG", exif=exif, quality=95)


def test_the_same_file_and_parameters_give_the_same_bytes(pool: DecodePool):
    data = file_of(quadrants(900, 600), "JPEG")
    params = ThumbnailParams(200, 70)

    assert make_thumbnail(pool, data, "jpg", params) == make_thumbnail(pool, data, "jpg", params)


def test_a_file_on_disk_gives_the_same_as_its_bytes(tmp_path: Path, pool: DecodePool):
    data = file_of(quadrants(900, 600), "JPEG")
    (tmp_path / "image").write_bytes(data)

    with (tmp_path / "image").open("rb") as file:
        assert make_thumbnail(pool, file, "jpg") == make_thumbnail(pool, data, "jpg")


def test_a_small_image_is_not_enlarged_and_a_thin_one_not_lost(pool: DecodePool):
    assert thumbnail_of(pool, file_of(quadrants(10, 6), "PNG")).size == (10, 6)
    assert thumbnail_of(pool, file_of(quadrants(5000, 2), "PNG"), box_px=100).size == (100, 1)


def test_thumbnails_carry_no_metadata(pool: DecodePool):
    exif = Image.Exif()
    exif[0x010E] = "secret"
    made = make_thumbnail(pool, file_of(quadrants(), "JPEG", exif=exif.tobytes()), "jpg")

    assert b"secret" not in made.webp
    assert "icc_profile" not in Image.open(io.BytesIO(made.webp)).info


def test_a_jpeg_2000_is_read_at_the_resolution_that_suffices(make_pool: MakePool):
    """At full size it would take more than an image may."""
    pool = make_pool(Limits(max_decoded_bytes=3_000_000))
    data = file_of(quadrants(2400, 1600), "JPEG2000", num_resolutions=6)

    assert shows_quadrants(thumbnail_of(pool, data, "jp2", box_px=150))


def test_a_layout_that_nothing_here_reads_is_unsupported_and_says_what_would(pool: DecodePool):
    def tag(number: int, kind: int, count: int, value: int) -> bytes:
        return struct.pack("<HHII", number, kind, count, value)

    # Three planes of 64-bit numbers, as tifffile writes them.
    bits, formats, offsets, counts = 200, 206, 212, 224
    tags = [
        *(tag(256, 3, 1, 4), tag(257, 3, 1, 4), tag(258, 3, 3, bits), tag(259, 3, 1, 1)),
        *(tag(262, 3, 1, 2), tag(273, 4, 3, offsets), tag(277, 3, 1, 3), tag(278, 3, 1, 4)),
        *(tag(279, 4, 3, counts), tag(284, 3, 1, 2), tag(339, 3, 3, formats)),
    ]
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(tags) + bytes(4)
    values = struct.pack("<3H3H3I3I", 64, 64, 64, 3, 3, 3, 240, 368, 496, 128, 128, 128)
    file = (head.ljust(bits, b"\0") + values).ljust(240, b"\0") + bytes(3 * 128)

    with pytest.raises(Refused) as refused:
        make_thumbnail(pool, file, "tif")

    assert refused.value.failure.reason == "unsupported"
    assert "3 bands of 64 bits" in refused.value.failure.detail
    assert "tifffile" in refused.value.failure.detail
