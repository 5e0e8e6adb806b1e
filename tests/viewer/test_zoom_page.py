"""Zooming in Chromium: deeper levels are asked for, and show what the image shows."""

import io
import os
from collections.abc import Iterator
from typing import Literal

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS
from s3pipelines.core.imaging.wishes import work_on
from s3pipelines.core.imaging.work import run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, get_source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.locations import FolderLocation
from s3pipelines.services.moto import MotoServer
from s3pipelines.viewer.app import build_app
from s3pipelines.viewer.frontend import library_script
from tests.core.imaging.pictures import file_of, quadrants
from tests.viewer.serving import Served, served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("zoom")]

BUCKET = "pictures-to-zoom"
KEY = 'in/"><script>alert(1)<é&v=0>.png'
# Odd, so that the levels are not just halves.
WIDTH_PX, HEIGHT_PX = 3333, 2101
ADDRESS = "/zoom/pictures?key=in/%22%3E%3Cscript%3Ealert(1)%3C%C3%A9%26v%3D0%3E.png"


@pytest.fixture(scope="module")
def image() -> Image.Image:
    return quadrants(WIDTH_PX, HEIGHT_PX)


@pytest.fixture(scope="module")
def viewer(
    moto: MotoServer, tmp_path_factory: pytest.TempPathFactory, image: Image.Image
) -> Iterator[Served]:
    """A source whose one image has a pyramid."""
    if library_script() is None:
        reason = "OpenSeadragon is not installed: make setup"
        if os.environ.get("S3PIPELINES_TEST_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("zoom")
    catalog = Catalog(FolderLocation(folder / "catalog"))
    client = s3_client(Access())
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key=KEY, Body=file_of(image, "PNG"))
    create_source(catalog, "pictures", f"s3://{BUCKET}/in", pyramid={"compression": "deflate"})
    refresh_index(catalog, "pictures")
    with DecodePool(PYRAMID_LIMITS, slots=Slots(2, folder)) as pool:
        assert run(catalog, work_on(get_source(catalog, "pictures"), "pyramid"), pool=pool).made
    with served(build_app(catalog)) as running:
        yield running


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser, viewer: Served) -> Iterator[Page]:
    """A window that fails the test when the browser complains."""
    scheme: Literal["light", "dark"] = request.param
    context = browser.new_context(color_scheme=scheme, base_url=viewer.url)
    page = context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    yield page
    context.close()
    assert not trouble


def seen(page: Page) -> Image.Image:
    """The picture as it is on the screen."""
    return Image.open(io.BytesIO(page.locator("#zoom").screenshot())).convert("RGB")


def close_to(one: object, other: object) -> bool:
    assert isinstance(one, tuple)
    assert isinstance(other, tuple)
    return all(abs(a - b) < 12 for a, b in zip(one, other, strict=True))


def test_the_gallery_leads_to_the_picture_and_zooming_to_its_pixels(
    page: Page, image: Image.Image, tmp_path_factory: pytest.TempPathFactory
):
    levels: list[int] = []
    page.on(
        "response",
        lambda answer: (
            levels.append(int(answer.url.split("/")[5])) if "/tiles/" in answer.url else None
        ),
    )
    page.goto("/sources/pictures")
    page.get_by_role("link", name="Zoom").click()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)
    shown = seen(page)
    # All of it is there, in the middle of the page and upright.
    scale = min(shown.width / WIDTH_PX, shown.height / HEIGHT_PX)
    for across, down in ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.9)):
        x = round(shown.width / 2 + (across - 0.5) * WIDTH_PX * scale)
        y = round(shown.height / 2 + (down - 0.5) * HEIGHT_PX * scale)
        expected = image.getpixel((round(across * WIDTH_PX), round(down * HEIGHT_PX)))
        assert close_to(shown.getpixel((x, y)), expected)
    deepest = max(levels)
    assert deepest < 4

    page.get_by_role("button", name="Full resolution").click()
    page.wait_for_timeout(2500)

    assert max(levels) == 4
    full = seen(page)
    middle_x, middle_y = WIDTH_PX // 2, HEIGHT_PX // 2
    for dx, dy in ((-150, -100), (150, -100), (-150, 100), (150, 100)):
        at = (full.width // 2 + dx, full.height // 2 + dy)
        assert close_to(full.getpixel(at), image.getpixel((middle_x + dx, middle_y + dy)))
    assert page.locator(".trouble").is_hidden()
    if place := os.environ.get("S3PIPELINES_TEST_SCREENSHOTS"):
        light = page.evaluate("matchMedia('(prefers-color-scheme: light)').matches")
        page.screenshot(path=f"{place}/zoom-{'light' if light else 'dark'}.png")


def test_tiles_are_kept_by_the_browser_and_nothing_else_is_given_out(viewer: Served):
    query = ADDRESS.partition("?")[2]
    answer = viewer.ask(f"/tiles/pictures/0/0_0.webp?{query}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/webp")
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    again = viewer.ask(f"/tiles/pictures/0/0_0.webp?{query}", If_None_Match=answer.headers["ETag"])
    assert again.status == 304
    for path in (
        f"/tiles/pictures/5/0_0.webp?{query}",
        f"/tiles/pictures/4/14_0.webp?{query}",
        f"/tiles/pictures/0/-1_0.webp?{query}",
        f"/tiles/pictures/0/0_0.webp?{query}&v=0000000000000000",
        "/tiles/pictures/0/0_0.webp",
        "/tiles/pictures/0/0_0.webp?key=../../sources/pictures.json",
        "/tiles/pictures/0/0_0.webp?key=%00",
        "/zoom/pictures?key=in/nothing.png",
        "/zoom/nobody?key=a",
    ):
        assert viewer.ask(path).status == 404, path
    assert viewer.ask("/zoom/pictures").status == 400


def test_only_the_page_that_zooms_may_run_scripts_and_only_ours(viewer: Served):
    answer = viewer.ask(ADDRESS)
    assert answer.status == 200
    assert answer.headers["Content-Security-Policy"].endswith("; script-src 'self'")
    assert "<script>alert" not in answer.text


def test_without_the_library_the_page_says_how_to_have_it(
    viewer: Served, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("s3pipelines.viewer.zoom.library_script", lambda: None)
    answer = viewer.ask(ADDRESS)
    assert answer.status == 503
    assert "make setup" in answer.text
    assert viewer.ask("/library/openseadragon.js").status == 404
    assert viewer.ask("/sources/pictures").status == 200
