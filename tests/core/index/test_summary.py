"""What the index of a source holds, in numbers."""

from datetime import date, timedelta

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.index.summary import Day, growth_by_day
from tests.core.preview.catalogs import NOON, SOURCE, Filling


def test_growth_is_told_by_the_latest_days_on_which_something_was_written(
    local_catalog: Catalog, bucket: str
):
    filling = Filling(local_catalog, bucket)
    filling.objects("a", "b", size_bytes=5)
    filling.objects("c", size_bytes=7, last_modified=NOON - timedelta(days=3))
    filling.objects("d", size_bytes=1, last_modified=NOON - timedelta(days=99))
    filling.tail("b", gone=True)

    found = growth_by_day(local_catalog, SOURCE, days=2)

    assert found == (Day(date(2026, 5, 1), 1, 5), Day(date(2026, 4, 28), 1, 7))


def test_a_source_without_an_index_has_not_grown(local_catalog: Catalog):
    assert growth_by_day(local_catalog, "nobody", days=30) == ()
