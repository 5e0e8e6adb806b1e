"""The gallery in Chromium: real pictures, light and dark, and nothing that a key can do."""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Dialog, Page

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.wishes import Work
from s3pipelines.core.imaging.work import run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.locations import FolderLocation
from s3pipelines.services.moto import MotoServer
from s3pipelines.viewer.app import build_app
from tests.core.imaging.pictures import file_of, quadrants
from tests.viewer.serving import Served, served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("gallery")]

BUCKET = "gallery-of-pictures"
SCRIPT = '"><script>alert(1)</script>.jpg'
PICTURES = {
    SCRIPT: (120, 80),
    "deep/in/folders/tall.jpg": (40, 400),
    "wide.jpg": (900, 30),
    **{f"{number:02}.jpg": (64 + number, 64) for number in range(12)},
}


@pytest.fixture(scope="module")
def viewer(moto: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A source that went through all of the project: indexed, headers read, thumbnails made."""
    folder = tmp_path_factory.mktemp("gallery")
    catalog = Catalog(FolderLocation(folder / "catalog"))
    client = s3_client(Access())
    client.create_bucket(Bucket=BUCKET)
    bodies = {name: file_of(quadrants(*size), "JPEG") for name, size in PICTURES.items()}
    bodies |= {"broken.jpg": bodies["wide.jpg"][:100], "empty.png": b""}
    for name, body in bodies.items():
        client.put_object(Bucket=BUCKET, Key=f"in/{name}", Body=body)
    create_source(catalog, "pictures", f"s3://{BUCKET}/in")
    refresh_index(catalog, "pictures")
    with DecodePool(slots=Slots(2, folder)) as pool:
        run(catalog, Work("pictures", "header"), pool=pool)
        run(catalog, Work("pictures", "thumbnail"), pool=pool)
    with served(build_app(catalog)) as running:
        yield running


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser, viewer: Served) -> Iterator[Page]:
    """A window that fails the test when a script runs, or the browser complains."""
    scheme: Literal["light", "dark"] = request.param
    context = browser.new_context(color_scheme=scheme, base_url=viewer.url)
    page = context.new_page()
    trouble: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        trouble.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    yield page
    context.close()
    assert not trouble


def titles(page: Page) -> list[str]:
    return [tile.get_attribute("title") or "" for tile in page.locator(".tile").all()]


def load_pictures(page: Page) -> int:
    """Scroll to each picture, as a browser loads only what is about to be seen."""
    images = page.locator(".tile img").all()
    for image in images:
        image.scroll_into_view_if_needed()
        page.wait_for_function("image => image.complete", arg=image.element_handle())
        assert image.evaluate("image => image.naturalWidth") > 0
    return len(images)


def test_every_picture_is_shown_and_a_key_is_only_text(page: Page):
    page.goto("/sources/pictures")

    assert load_pictures(page) == len(PICTURES)
    named = page.locator(f".tile[title={_quoted(f'in/{SCRIPT}')}] .caption")
    assert "".join(named.locator("bdi").all_inner_texts()) == SCRIPT
    assert named.is_visible()
    assert page.locator("script").count() == 0


def test_a_file_that_is_broken_says_so_in_the_place_of_its_picture(page: Page):
    page.goto("/sources/pictures?show=failed")

    assert titles(page) == ["in/broken.jpg", "in/empty.png"]
    assert page.get_by_text("Incomplete file").is_visible()
    assert page.get_by_text("Empty file").is_visible()


def test_the_page_follows_the_colours_of_the_system(page: Page):
    page.goto("/sources/pictures")

    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in background[4:-1].split(",")) / 3
    assert (brightness > 128) == page.evaluate(
        "matchMedia('(prefers-color-scheme: light)').matches"
    )


def test_tall_and_wide_pictures_leave_the_tiles_square_and_the_page_unmoved(page: Page):
    page.set_viewport_size({"width": 420, "height": 900})
    page.goto("/sources/pictures")
    load_pictures(page)

    for box in page.locator(".picture").all():
        size = box.bounding_box()
        assert size is not None
        assert abs(size["width"] - size["height"]) < 1
    assert page.evaluate("document.documentElement.scrollWidth") == 420


def test_next_and_previous_walk_through_the_source_without_a_repeat_or_a_gap(page: Page):
    page.goto("/sources/pictures?size=5")
    pages = [titles(page)]
    while page.get_by_role("link", name="Next").count():
        page.get_by_role("link", name="Next").click()
        pages.append(titles(page))
    expected = sorted(f"in/{name}" for name in [*PICTURES, "broken.jpg", "empty.png"])
    assert [title for some in pages for title in some] == expected
    for earlier in reversed(pages[:-1]):
        page.get_by_role("link", name="Previous").click()
        assert titles(page) == earlier
    assert page.get_by_role("link", name="Previous").count() == 0


def test_the_box_narrows_what_is_shown_to_a_prefix(page: Page):
    page.goto("/sources/pictures?show=images")
    page.get_by_role("searchbox").fill("deep/")
    page.get_by_role("button", name="Go").click()

    assert titles(page) == ["in/deep/in/folders/tall.jpg"]
    assert page.get_by_role("link", name="Images").get_attribute("aria-current") == "true"
    page.get_by_role("link", name="Sources").click()
    assert page.get_by_text("17 objects").is_visible()


def _quoted(text: str) -> str:
    """As a CSS string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
