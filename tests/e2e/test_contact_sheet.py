"""From an upload to a picture on the screen: the contact sheet in the Dagster UI, the gallery."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

import pytest
from playwright.sync_api import Browser, Dialog, Page, TimeoutError, expect

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sql.session import open_session
from tests.core.imaging.pictures import file_of, quadrants
from tests.e2e.conftest import Running, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SCRIPT = '"><script>alert(1)</script>.jpg'
PICTURES = 9


@pytest.fixture(scope="module")
def pictured(running: Running) -> Running:
    """A source whose images were found, indexed and pictured by nobody but the sensors."""
    jpeg = file_of(quadrants(), "JPEG")
    running.put(f"pictured/{SCRIPT}", *(f"pictured/{n}.jpg" for n in range(8)), body=jpeg)
    running.put("pictured/broken.jpg", body=jpeg[:200])
    running.register("pictured", "pictured", derive=("headers", "thumbnails"))
    wait_for(lambda: _rows(running.catalog) == (PICTURES + 1, PICTURES + 1), timeout_s=150)
    return running


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser, pictured: Running) -> Iterator[Page]:
    """A window that fails the test when a script of a key runs."""
    scheme: Literal["light", "dark"] = request.param
    context = browser.new_context(
        color_scheme=scheme, base_url=pictured.url, viewport={"width": 1500, "height": 1000}
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    yield page
    context.close()
    assert dialogs == []


def test_every_image_of_the_contact_sheet_is_shown_and_the_gallery_beside_it(
    page: Page, pictured: Running
):
    _open_partition(page)
    page.get_by_text("Show Markdown").first.click()

    sheet = page.locator("img[src^='data:image/webp']")
    expect(sheet).to_have_count(PICTURES)
    _assert_all_loaded(page, "img[src^='data:image/webp']")
    assert page.locator("img[alt*='<script>alert(1)']").count() == 1
    expect(page.get_by_text(re.compile("Incomplete file"))).to_be_visible()
    expect(page.get_by_text(re.compile("120 x 80, ")).first).to_be_visible()

    link = f"{pictured.viewer_url}/sources/pictured"
    assert page.locator(f"a[href='{link}']").count() > 0
    page.goto(link)
    expect(page.locator("img")).to_have_count(PICTURES)
    _assert_all_loaded(page, "img")


def test_the_numbers_of_the_runs_are_there(page: Page):
    _open_partition(page)

    for name in ("images_per_s", "bytes_read", "bytes_written", "failed", "still_missing"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()


def _open_partition(page: Page) -> None:
    """The materialization that has all pictures: several runs may have made them."""

    def shown() -> bool:
        page.goto("/assets/thumbnails?view=partitions&partition=pictured")
        with suppress(TimeoutError):  # The rows are there before the run tells.
            page.get_by_text("contact_sheet", exact=True).first.wait_for(timeout=10_000)
        return page.get_by_text("contact_sheet", exact=True).count() > 0

    wait_for(shown)


def _assert_all_loaded(page: Page, selector: str) -> None:
    loaded = f'[...document.querySelectorAll("{selector}")].every(i => i.naturalWidth > 0)'
    page.wait_for_function(loaded)


def _rows(catalog: Catalog) -> tuple[int, int]:
    """Headers and thumbnails, failures included, of the source."""
    count = "SELECT count(*) AS n FROM {} WHERE source = 'pictured'"
    with open_session(catalog) as session:
        headers, thumbnails = (
            session.run(count.format(table)).read_all().to_pylist()[0]["n"]
            for table in ("images", "derivatives")
        )
    return headers, thumbnails
