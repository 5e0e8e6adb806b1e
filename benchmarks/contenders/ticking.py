"""The listing sensor without Dagster: look after look, until a pass has gone through a source."""

import time
from collections.abc import Iterator
from typing import Any

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection import slices
from s3pipelines.core.detection.looks import look
from s3pipelines.core.detection.passes import Passes
from s3pipelines.core.sources.registry import list_sources
from s3pipelines.core.storage.listing.pages import ListingPage
from s3pipelines.core.storage.locations import parse_location


def whole_pass(catalog: str, budget_s: str, most_ticks: str) -> dict[str, Any]:
    """The seconds of each tick of one pass over all sources; the index must agree with them.

    As in the sensor, the cursor travels as text, and a tick begins with reading the registry.
    """
    home = Catalog(parse_location(catalog))
    cursor: str | None = None
    ticks: list[float] = []
    keys: list[int] = []
    count_keys(keys)
    while True:
        started = time.perf_counter()
        sources = list_sources(home)
        shown = look(home, sources, Passes.from_cursor(cursor), float(budget_s))
        cursor = shown.passes.to_cursor()
        ticks.append(time.perf_counter() - started)
        if shown.findings or shown.hinted or shown.problems:
            raise AssertionError(f"nothing differs, but: {shown}")
        if not shown.passes.by_source or len(ticks) == int(most_ticks):
            return {"ticks": ticks, "keys": sum(keys)}


def count_keys(keys: list[int]) -> None:
    """Have the number of keys of each listed page added to a list."""
    listed = slices.list_pages

    def counting(*arguments: Any, **options: Any) -> Iterator[ListingPage]:
        for page in listed(*arguments, **options):
            keys.append(page.objects.num_rows)
            yield page

    slices.list_pages = counting
