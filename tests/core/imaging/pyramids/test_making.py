"""A pyramid of one image: its structure, its pixels, its metadata."""

import tempfile
from dataclasses import replace

import pytest
from PIL import Image, ImageCms

from s3pipelines.core.imaging import saving
from s3pipelines.core.imaging.converting import Job, make_pyramid_file
from s3pipelines.core.imaging.given import Given
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS, Input, make_pyramid, structure_of
from tests.core.imaging.pictures import file_of, quadrants, shows_quadrants
from tests.core.imaging.pyramids.making import LOSSLESS, Make, gradient


@pytest.mark.parametrize("compression", ["jpeg", "webp", "deflate", "lzw", "none"])
def test_it_is_tiled_in_levels_that_halve_until_one_tile_is_enough(make: Make, pool, compression):
    params = PyramidParams(compression=compression, tile_px=128)

    pyramid, _ = make(file_of(gradient(1000, 700), "PNG"), params)

    structure = pyramid.structure
    assert structure.levels == ((1000, 700), (500, 350), (250, 175), (125, 87))
    assert (structure.tile_px, structure.bands, structure.bits) == (128, 3, 8)
    assert (pyramid.width_px, pyramid.height_px, pyramid.pages) == (1000, 700, (0,))
    assert pyramid.samples > 1


@pytest.mark.parametrize("subifds", [False, True])
def test_levels_are_pages_or_hang_below_the_page(make: Make, pool, output, subifds):
    pyramid, opened = make(file_of(gradient(600, 600), "PNG"), PyramidParams(subifds=subifds))

    assert getattr(opened, "n_frames", 1) == (1 if subifds else len(pyramid.structure.levels))
    assert structure_of(pool, output) == pyramid.structure


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("params", [PyramidParams(), LOSSLESS, PyramidParams(max_width_px=60)])
def test_all_eight_orientations_come_out_upright(make: Make, orientation: int, params):
    turned = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = quadrants() if turned is None else quadrants().transpose(turned)
    exif = Image.Exif()
    exif[0x0112] = orientation

    _, opened = make(file_of(stored, "JPEG", exif=exif, quality=95), params)

    assert opened.size == ((60, 40) if params.max_width_px else (120, 80))
    assert opened.getexif().get(0x0112, 1) == 1
    assert shows_quadrants(opened, within=20)


@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_what_is_too_large_to_be_turned_in_memory_is_turned_in_a_file(output, orientation: int):
    turned = {3: "ROTATE_180", 6: "ROTATE_90", 7: "TRANSVERSE"}[orientation]
    stored = quadrants(1200, 800).transpose(Image.Transpose[turned])
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    data = file_of(stored, "JPEG", exif=exif, quality=95, icc_profile=profile, dpi=(300, 300))
    job = Job(output.fileno(), replace(PYRAMID_LIMITS, max_decoded_bytes=1000))

    make_pyramid_file(Given(memoryview(data)), "jpg", None, PyramidParams(), job)

    opened = Image.open(output)
    assert (opened.size, opened.info["icc_profile"]) == ((1200, 800), profile)
    assert opened.info["dpi"] == pytest.approx((300, 300))
    assert (opened.getexif().get(0x0112, 1), opened.getexif()[0x010F]) == (1, "Maker")
    assert shows_quadrants(opened, within=20)


def test_what_is_lossless_has_the_same_pixels(make: Make):
    for mode in ("RGB", "RGBA", "L", "LA", "CMYK", "I;16", "I", "F", "1", "P"):
        image = gradient(300, 280).convert("L").convert(mode) if mode[0] in "IF1" else None
        image = image or gradient(300, 280, mode)
        data = file_of(image, "TIFF")

        pyramid, opened = make(data, LOSSLESS)

        assert pyramid.psnr_db is None
        expected = image.convert("RGB" if mode == "P" else "L" if mode == "1" else mode)
        assert opened.tobytes() == expected.tobytes(), mode


@pytest.mark.parametrize("big", [False, True])
def test_profile_exif_and_xmp_are_kept_in_classic_and_in_big_files(
    make: Make, output, big: bool, monkeypatch
):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F], exif[0x8298], exif[0x0112] = "Maker", "© Somebody", 6
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    exif.get_ifd(0x8769)[0x829D] = 2.8
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 15.5)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    data = file_of(quadrants(), "JPEG", icc_profile=profile, exif=exif, xmp=xmp)

    if big:
        given, plain, page = Given(memoryview(data)), PyramidParams(), None
        monkeypatch.setattr(saving, "_CLASSIC_BYTES", 0)
        make_pyramid_file(given, "jpg", page, plain, Job(output.fileno(), PYRAMID_LIMITS))
        opened = Image.open(output)
    else:
        _, opened = make(data)

    output.seek(0)
    assert output.read(4) == (b"II+\0" if big else b"II*\0")
    assert opened.info["icc_profile"] == profile
    assert opened.tag_v2[700] == xmp.replace(b'"6"', b'"1"')  # pyright: ignore[reportAttributeAccessIssue]
    found = opened.getexif()
    assert (found[0x010F], found.get(0x0112, 1)) == ("Maker", 1)
    assert "Somebody" in found[0x8298]
    inner, place = found.get_ifd(0x8769), found.get_ifd(0x8825)
    assert inner[0x9003] == "2020:01:02 03:04:05"
    assert float(inner[0x829D]) == pytest.approx(2.8)
    assert [float(part) for part in place[2]] == [52.0, 30.0, 15.5]


def test_damaged_exif_and_profiles_cost_nothing_but_themselves(make: Make):
    data = file_of(
        quadrants(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff", icc_profile=b"x" * 200
    )

    _, opened = make(data, PyramidParams(colour="srgb"))

    assert shows_quadrants(opened)


def test_colours_are_brought_to_srgb_when_that_is_asked_for(make: Make):
    cmyk = file_of(quadrants(mode="CMYK"), "TIFF")

    _, kept = make(cmyk)
    assert kept.mode == "CMYK"
    _, changed = make(cmyk, PyramidParams(colour="srgb"))
    assert (changed.mode, "icc_profile" in changed.info) == ("RGB", True)


def test_a_jpeg_has_8_bits_and_white_where_the_image_is_transparent(make: Make):
    clear = Image.new("RGBA", (40, 40), (200, 0, 0, 0))
    _, opened = make(file_of(clear, "PNG"))
    assert opened.convert("RGB").getpixel((20, 20)) == (255, 255, 255)

    deep = Image.new("I;16", (40, 40), 40_000)
    pyramid, opened = make(file_of(deep, "TIFF"))
    assert (pyramid.structure.bits, opened.getpixel((20, 20))) == (8, 155)


def test_caps_hold_for_the_upright_image_and_nothing_is_enlarged(make: Make):
    data = file_of(gradient(1200, 600), "JPEG")

    for caps, size in {
        (600, None): (600, 300),
        (None, 100): (200, 100),
        (843, 560): (843, 422),
        (5000, 5000): (1200, 600),
        (1, 1): (1, 1),
    }.items():
        params = PyramidParams(max_width_px=caps[0], max_height_px=caps[1])
        assert make(data, params)[1].size == size
    lying = Image.Exif()
    lying[0x0112] = 6
    params = PyramidParams(max_width_px=150)
    assert make(file_of(gradient(1200, 600), "JPEG", exif=lying), params)[1].size == (150, 300)


def test_the_edges_of_what_is_transparent_keep_their_colour_when_it_is_reduced(make: Make):
    image = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    image.paste((250, 250, 250, 255), (0, 0, 201, 400))

    _, opened = make(file_of(image, "PNG"), replace(LOSSLESS, max_width_px=40))

    row = opened.crop((0, 20, opened.width, 21)).tobytes()
    pixels = [row[at : at + 4] for at in range(0, len(row), 4)]
    assert all(min(pixel[:3]) > 240 for pixel in pixels if pixel[3] > 100)


def test_a_resolution_can_be_claimed_and_else_that_of_the_image_is_kept(make: Make):
    data = file_of(quadrants(), "JPEG", dpi=(300, 300))

    assert make(data)[1].info["dpi"] == pytest.approx((300, 300))
    assert make(data, PyramidParams(dpi=72))[1].info["dpi"] == pytest.approx((72, 72))


def test_every_page_of_a_document_can_be_made_and_reduced_copies_are_none(make: Make, pool):
    pages = [Image.new("RGB", (300, 200), (60 * n, 0, 0)) for n in range(1, 5)]
    document = file_of(pages[0], "TIFF", save_all=True, append_images=pages[1:])

    first, opened = make(document, LOSSLESS)
    assert first.pages == (0, 1, 2, 3)
    assert opened.getpixel((5, 5)) == (60, 0, 0)
    assert make(document, LOSSLESS, page=3)[1].getpixel((5, 5)) == (240, 0, 0)
    with tempfile.TemporaryFile() as file:
        make_pyramid(pool, Input(file_of(gradient(900, 900), "PNG"), "png"), LOSSLESS, file)
        file.seek(0)
        assert make(file.read())[0].pages == (0,)
