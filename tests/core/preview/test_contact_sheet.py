"""The contact sheet: a Markdown table that shows every tile, stays small and escapes its keys."""

import base64
import io
import re

import pytest
from markdown_it import MarkdownIt
from PIL import Image

from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.preview.contact_sheet import Tile, contact_sheet
from tests.core.imaging.pictures import file_of, quadrants

HOSTILE = [
    '"><script>alert(1)</script>.jpg',
    "a|b|c.jpg",
    "`code`.jpg",
    "line\nbreak\r\n| x |.jpg",
    "](javascript:alert(1)).jpg",
    "![x](http://evil.example/x.png)",
    "http://evil.example/auto.jpg",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt; &amp; *bold* _it_ ~~s~~ \\| \\`",
    "\x1b[31mred\u202egpj.exe",
    "é😀" * 400,
]


def rendered(sheet: str) -> str:
    """As a reader of GitHub's Markdown with raw HTML let through would have it: the worst case."""
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(sheet)


def test_24_thumbnails_fit_into_100_kb(pool: DecodePool):
    noisy = file_of(Image.effect_noise((400, 400), 90).convert("RGB"), "WEBP", quality=80)
    tiles = [Tile(f"folder/{n}.jpg", "400 x 400, 64 kB", noisy) for n in range(30)]

    sheet = contact_sheet(pool, tiles)

    assert len(sheet.encode()) <= 100_000
    images = re.findall(r"!\[[^\]]*\]\(data:image/webp;base64,([A-Za-z0-9+/=]+)\)", sheet)
    assert len(images) == 24
    for image in images:
        assert Image.open(io.BytesIO(base64.b64decode(image))).format == "WEBP"
    assert rendered(sheet).count("<img") == 24


@pytest.mark.parametrize("key", HOSTILE)
def test_a_key_can_be_anything_and_does_nothing(key, pool: DecodePool):
    webp = file_of(quadrants(), "WEBP")
    tiles = [Tile(key, "1 x 1", webp), Tile("b.jpg", key, None, key), Tile("c.jpg", "2 x 2", webp)]

    html = rendered(contact_sheet(pool, tiles))

    assert html.count("<img") == 2
    assert html.count("<tr>") == 4
    assert html.count("<td") == 9
    assert not re.search(r"<(script|a|code|strong|em|s|b)\b", html)
    assert all(source.startswith("data:image/webp") for source in re.findall(r'src="([^"]*)', html))


def test_a_file_without_a_thumbnail_shows_why(pool: DecodePool):
    html = rendered(contact_sheet(pool, [Tile("x/scan.dcm", "135 kB", None, "DICOM: pydicom")]))
    assert "DICOM: pydicom" in html
    assert "scan.dcm" in html
    assert "135 kB" in html


def test_a_thumbnail_that_is_broken_shows_why(pool: DecodePool):
    assert "no image format" in contact_sheet(pool, [Tile("x.jpg", "", b"broken")])


def test_an_empty_sheet_says_so(pool: DecodePool):
    assert contact_sheet(pool, []) == "No images yet."
