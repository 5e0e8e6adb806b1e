from datetime import UTC, datetime

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sources.refreshes import (
    RefreshRecord,
    last_refresh,
    refresh_document,
    write_record,
)
from s3pipelines.core.sources.source import Source

SOURCE = Source(id="maps", bucket="b", prefix="")


def _record(rows: int = 1, generation: str = SOURCE.generation) -> RefreshRecord:
    listed_at = datetime(2024, 5, 6, tzinfo=UTC)
    return RefreshRecord(generation=generation, listed_at=listed_at, table_version=3, rows=rows)


def test_the_last_refresh_is_kept(catalog: Catalog) -> None:
    assert last_refresh(catalog, SOURCE) is None
    write_record(catalog, "maps", _record(1))
    write_record(catalog, "maps", _record(2))
    assert last_refresh(catalog, SOURCE) == _record(2)


def test_the_refresh_of_an_earlier_registration_does_not_count(catalog: Catalog) -> None:
    write_record(catalog, "maps", _record(generation="an earlier one"))
    assert last_refresh(catalog, SOURCE) is None


def test_a_record_that_cannot_be_read_counts_as_none(catalog: Catalog) -> None:
    catalog.documents.put(refresh_document("maps"), b"not json")
    assert last_refresh(catalog, SOURCE) is None


def test_sources_have_records_of_their_own(catalog: Catalog) -> None:
    write_record(catalog, "maps", _record())
    assert last_refresh(catalog, Source(id="map", bucket="b", prefix="")) is None
