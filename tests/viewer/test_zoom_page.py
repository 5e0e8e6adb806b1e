"""Zooming in Chromium: deeper levels are asked for, and show what the image shows."""

import io
import time
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from s3pipelines.services.moto import MotoServer
from tests.core.imaging.pictures import CELL_PX, quadrants
from tests.viewer.serving import Served
from tests.viewer.zoomable import (
    CHARTS,
    HEIGHT_PX,
    WIDTH_PX,
    picture_of,
    require_library,
    zoomable_pictures,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("zoom"),
]

ADDRESS = "/zoom/pictures?key=in/%22%3E%3Cscript%3Ealert(1)%3C%C3%A9%26v%3D0%3E.png"
# A screen pixel is an eighth of one of the image then, at most.
DEEPEST = 8
_PATIENCE_S = 20


@pytest.fixture(scope="module")
def viewer(moto: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    require_library()
    with zoomable_pictures(tmp_path_factory.mktemp("zoom")) as running:
        yield running


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser, viewer: Served) -> Iterator[Page]:
    """A window that fails the test when the browser complains, of a breach of policy as well."""
    scheme: Literal["light", "dark"] = request.param
    context = browser.new_context(color_scheme=scheme, base_url=viewer.url)
    page = context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    yield page
    context.close()
    assert not trouble


def seen(page: Page) -> np.ndarray:
    """The picture as it is on the screen."""
    picture = Image.open(io.BytesIO(page.locator("#zoom").screenshot())).convert("RGB")
    return np.asarray(picture).astype(int)


def await_pixels(
    page: Page, places: list[tuple[int, int]], expected: np.ndarray, most_off: int
) -> None:
    """Wait until the screen shows colours at places (x, y) of the picture.

    Raises:
        AssertionError: It does not in time.
    """
    across, down = zip(*places, strict=True)
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        off = np.abs(seen(page)[down, across] - expected).max()
        if off <= most_off:
            return
        assert time.monotonic() < deadline, f"{off} off"
        page.wait_for_timeout(200)


def levels_asked_for(page: Page) -> set[int]:
    """The levels whose tiles are asked for from now on."""
    levels: set[int] = set()
    page.on(
        "response",
        lambda answer: (
            levels.add(int(answer.url.split("/")[5])) if "/tiles/" in answer.url else None
        ),
    )
    return levels


def await_level(page: Page, levels: set[int], level: int) -> None:
    """Wait for tiles of a level, and until no more come."""
    deadline = time.monotonic() + _PATIENCE_S
    while level not in levels:
        assert time.monotonic() < deadline, f"only {levels}"
        page.wait_for_timeout(100)
    page.wait_for_load_state("networkidle")


def test_the_gallery_leads_to_the_picture_and_zooming_to_its_pixels(page: Page):
    image = np.asarray(quadrants(WIDTH_PX, HEIGHT_PX)).astype(int)
    levels = levels_asked_for(page)
    page.goto("/sources/pictures?show=pyramids")
    page.get_by_role("link", name="Zoom").click()
    shown = seen(page)
    # All of it is there, in the middle of the page and upright.
    scale = min(shown.shape[1] / WIDTH_PX, shown.shape[0] / HEIGHT_PX)
    parts = [(x, y) for x in (-0.4, 0.4) for y in (-0.4, 0.4)]
    places = [
        (
            round(shown.shape[1] / 2 + x * WIDTH_PX * scale),
            round(shown.shape[0] / 2 + y * HEIGHT_PX * scale),
        )
        for x, y in parts
    ]
    colours = [image[round((y + 0.5) * HEIGHT_PX), round((x + 0.5) * WIDTH_PX)] for x, y in parts]
    await_pixels(page, places, np.array(colours), 12)
    assert max(levels) < 4

    page.get_by_role("button", name="Full resolution").click()

    await_level(page, levels, 4)
    middle = HEIGHT_PX // 2, WIDTH_PX // 2
    # Just beside the middle: nowhere else do four colours meet.
    steps = [(x, y) for x in (-4, 4) for y in (-4, 4)]
    places = [(shown.shape[1] // 2 + x, shown.shape[0] // 2 + y) for x, y in steps]
    colours = [image[middle[0] + y, middle[1] + x] for x, y in steps]
    await_pixels(page, places, np.array(colours), 12)
    assert page.locator(".trouble").is_hidden()


def test_a_picture_with_a_thumbnail_is_itself_the_way_to_zoom(page: Page):
    page.goto("/sources/jpeg")
    picture = page.locator("a.picture", has=page.locator("img"))
    assert picture.inner_text() == "Zoom"
    picture.click()
    page.wait_for_load_state("networkidle")
    assert page.url.endswith("/zoom/jpeg?key=charts%2Fjpeg%2Frgb.tif")
    assert page.locator(".objects").inner_text().split()[::2] == ["2001", "1301"]


@pytest.mark.parametrize("page", ["dark"], indirect=True)
@pytest.mark.parametrize(
    ("codec", "kind"), [(codec, kind) for codec, kinds in CHARTS.items() for kind in kinds]
)
def test_deep_in_a_picture_each_pixel_is_that_of_the_image(page: Page, codec: str, kind: str):
    levels = levels_asked_for(page)
    image = picture_of(kind).astype(int)
    page.goto(f"/zoom/{codec}?key=charts/{codec}/{kind}.tif")
    box = page.locator("#zoom").bounding_box()
    assert box is not None
    scale = min(box["width"] / image.shape[1], box["height"] / image.shape[0])
    # The middle of a cell, far from the middle of the picture.
    row, column = 20, 95
    down, across = (row + 0.5) * CELL_PX, (column + 0.5) * CELL_PX
    at_x = round(box["width"] / 2 + (across - image.shape[1] / 2) * scale)
    at_y = round(box["height"] / 2 + (down - image.shape[0] / 2) * scale)

    page.mouse.move(box["x"] + at_x, box["y"] + at_y)
    for _ in range(30):
        page.mouse.wheel(0, -100)
        page.wait_for_timeout(60)

    await_level(page, levels, 3)
    steps = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    side = CELL_PX * DEEPEST
    places = [(at_x + x * side, at_y + y * side) for x, y in steps]
    cells = [image[row * CELL_PX + y * CELL_PX, (column + x) * CELL_PX] for x, y in steps]
    await_pixels(page, places, on_the_well(page, np.array(cells)), 24)
    assert page.locator(".trouble").is_hidden()


def on_the_well(page: Page, colours: np.ndarray) -> np.ndarray:
    """Colours with alpha as they look on the page."""
    if colours.shape[1] == 3:
        return colours
    ground = page.locator("#zoom").evaluate("one => getComputedStyle(one).backgroundColor")
    well = np.array([int(part) for part in ground[4:-1].split(",")])
    alpha = colours[:, 3:] / 255
    return colours[:, :3] * alpha + well * (1 - alpha)


def test_a_narrow_window_shows_all_of_the_page(page: Page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(ADDRESS)
    page.wait_for_load_state("networkidle")

    assert page.evaluate("document.documentElement.scrollWidth") == 390
    box = page.locator("#zoom").bounding_box()
    assert box is not None
    assert box["height"] > 400
    for name in ("Zoom in", "Zoom out", "Whole picture", "Full resolution"):
        assert page.get_by_role("button", name=name).is_visible()


def test_a_tile_that_cannot_be_had_is_told_in_words(browser: Browser, viewer: Served):
    context = browser.new_context(base_url=viewer.url)
    page = context.new_page()
    page.route("**/tiles/**", lambda route: route.abort())
    page.goto(ADDRESS)
    page.locator(".trouble").wait_for()
    assert "could not be loaded" in page.locator(".trouble").inner_text()
    context.close()


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
    policy = answer.headers["Content-Security-Policy"]
    assert policy.endswith("; script-src 'self'")
    assert "unsafe" not in policy
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
