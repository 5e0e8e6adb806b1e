"""The Dagster UI in Chromium: catalog, lineage, partitions and plots."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.errors import NotFound
from s3pipelines.core.sources.registry import list_sources
from tests.core.index.rows import index_keys
from tests.e2e.conftest import Running, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture
def page(browser: Browser, running: Running) -> Iterator[Page]:
    """A window on the running project, with a source that was indexed twice."""
    if "shown" not in {source.id for source in list_sources(running.catalog)}:
        running.put("shown/1.tif", "shown/2.tif")
        running.register("shown", "shown")
        wait_for(lambda: _indexed(running, "shown") == 2)
        running.put("shown/3.tif")
        wait_for(lambda: _indexed(running, "shown") == 3)
    context = browser.new_context(viewport={"width": 1500, "height": 1000}, base_url=running.url)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def test_the_catalog_lists_the_assets(page: Page):
    page.goto("/assets?view=list")

    expect(page.get_by_text("object_index").first).to_be_visible()
    expect(page.get_by_text("uploads").first).to_be_visible()


def test_the_lineage_leads_from_uploads_to_the_index(page: Page):
    page.goto("/asset-groups")

    expect(page.get_by_text("uploads", exact=True).first).to_be_visible()
    expect(page.get_by_text("object_index", exact=True).first).to_be_visible()


def test_a_source_is_a_partition_with_its_numbers(page: Page):
    page.goto("/assets/object_index?view=partitions&partition=shown")

    expect(page.get_by_text("shown", exact=True).first).to_be_visible()
    expect(page.get_by_text("waiting_to_settle").first).to_be_visible()
    expect(page.get_by_text("ask_it").first).to_be_visible()


def test_the_columns_of_the_table_are_shown(page: Page):
    page.goto("/assets/object_index?view=overview")

    expect(page.get_by_text("last_modified", exact=True)).to_be_visible()
    expect(page.get_by_text("TIMESTAMPTZ").first).to_be_visible()


def test_the_history_of_the_numbers_is_plotted(page: Page):
    page.goto("/assets/object_index?view=overview")

    page.get_by_role("button", name="Plots").click()
    page.get_by_role("button", name="Events").click()

    expect(page.get_by_text("size_bytes", exact=True).last).to_be_visible()
    drawn = page.locator("canvas").first
    expect(drawn).to_be_visible()
    assert drawn.evaluate("canvas => canvas.width") > 100


def _indexed(running: Running, source_id: str) -> int:
    try:
        open_table(running.catalog, OBJECTS)
    except NotFound:
        return 0
    return len(index_keys(running.catalog, source_id))
