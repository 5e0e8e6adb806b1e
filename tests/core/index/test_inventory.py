"""A report of S3 Inventory in place of a listing."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.errors import InvalidInput, StorageError
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.index.reports import last_before
from s3pipelines.core.sources.refreshes import last_refresh
from s3pipelines.core.sources.registry import create_source, get_source
from tests.core.index.hinting import hint
from tests.core.index.reports import ReportOf, ago, md5, rows_of_bucket
from tests.core.index.rows import index_keys, index_rows

ODD = (
    "m/ü ñ.tif",
    "m/a b+c%20d.tif",
    'm/it\'s "quoted", with comma.tif',
    "m/100%",
    "m/🗺.tif",
    "m/z/deep/er.tif",
)


@pytest.fixture
def reports(s3) -> str:
    """The bucket where reports are put."""
    name = f"reports-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def maps(local_catalog: Catalog, bucket: str, put_objects) -> Catalog:
    """A source `maps` that was never listed, with odd keys, and other keys around it."""
    put_objects(*ODD, "other/x", "m0")
    s3_path = f"s3://{bucket}/m"
    create_source(local_catalog, "maps", s3_path, exclude=["z/*"])
    create_source(local_catalog, "listed", s3_path, exclude=["z/*"])
    return local_catalog


def states(catalog: Catalog, source_id: str) -> list[dict[str, object]]:
    given = ("source", "indexed_at")
    return [
        {k: v for k, v in row.items() if k not in given} for row in index_rows(catalog, source_id)
    ]


@pytest.mark.parametrize("file_format", ["Parquet", "ORC", "CSV"])
def test_a_report_gives_the_same_rows_as_a_listing(
    maps: Catalog, s3, bucket: str, reports: str, file_format: str
):
    s3.put_object(Bucket=bucket, Key="m/folder/", Body=b"")
    uri = ReportOf(rows_of_bucket(s3, bucket), file_format, files=3).put(s3, reports, bucket)

    done = refresh_index(maps, "maps", inventory=uri)
    refresh_index(maps, "listed")

    assert (done.created, done.requests, done.wrote) == (5, 5, "replacement")
    assert states(maps, "maps") == states(maps, "listed")
    again = refresh_index(maps, "maps")
    assert (again.changed, again.rows) == (0, 5)


@pytest.mark.parametrize("file_format", ["Parquet", "ORC", "CSV"])
def test_any_key_is_taken_in_as_it_is(
    maps: Catalog, s3, bucket: str, reports: str, file_format: str
):
    # The server of the tests takes no key with a newline, so these are in the report alone.
    (row, *_) = rows_of_bucket(s3, bucket)
    keys = sorted(["m/new\nline", 'm/\r\n,"x"', "m/a+b c%2B", "m/\t", "m/NULL", "m/ü\u0301"])
    uri = ReportOf([row | {"key": key} for key in keys], file_format).put(s3, reports, bucket)

    refresh_index(maps, "maps", inventory=uri)

    assert index_keys(maps, "maps") == keys


@pytest.mark.parametrize("file_format", ["Parquet", "CSV"])
def test_of_a_report_of_all_versions_the_latest_hold_and_what_is_deleted_does_not(
    maps: Catalog, s3, bucket: str, reports: str, file_format: str
):
    rows = [
        row | {"version_id": "2", "is_latest": True, "is_delete_marker": False}
        for row in rows_of_bucket(s3, bucket)
    ]
    old = rows[0] | {"version_id": "1", "is_latest": False, "e_tag": "old"}
    gone = {"bucket": bucket, "key": "m/gone", "last_modified_date": ago(days=1), "version_id": "3"}
    marker = gone | {"is_latest": True, "is_delete_marker": True, "e_tag": None, "size": None}
    before = gone | {"is_latest": False, "is_delete_marker": False, "e_tag": "x", "size": 1}
    uri = ReportOf([old, *rows, before, marker], file_format).put(s3, reports, bucket)

    refresh_index(maps, "maps", inventory=uri)
    refresh_index(maps, "listed")

    assert states(maps, "maps") == states(maps, "listed")


def test_what_a_report_has_twice_is_taken_in_once(maps: Catalog, s3, bucket: str, reports: str):
    rows = rows_of_bucket(s3, bucket)
    earlier = rows[0] | {"e_tag": "older", "last_modified_date": ago(days=3)}
    uri = ReportOf([earlier, *rows, rows[1]], files=1).put(s3, reports, bucket)

    refresh_index(maps, "maps", inventory=uri)
    refresh_index(maps, "listed")

    assert states(maps, "maps") == states(maps, "listed")


def test_an_object_rests_by_the_time_of_the_report(maps: Catalog, s3, bucket: str, reports: str):
    create_source(maps, "resting", f"s3://{bucket}/m", settle_s=3600)
    rows = rows_of_bucket(s3, bucket)
    rows = [row | {"last_modified_date": ago(hours=5)} for row in rows]
    rows[0] |= {"last_modified_date": ago(hours=2, minutes=30)}
    assert rows[0]["key"].startswith("m/")
    uri = ReportOf(rows, created_at=ago(hours=2)).put(s3, reports, bucket)

    done = refresh_index(maps, "resting", inventory=uri)

    assert (done.waiting, done.created) == (1, 5)
    assert rows[0]["key"] not in index_keys(maps, "resting")


def test_a_change_after_the_report_wins(maps: Catalog, s3, bucket: str, reports: str, put_objects):
    uri = ReportOf(rows_of_bucket(s3, bucket), created_at=ago(minutes=10)).put(s3, reports, bucket)
    put_objects("m/new")
    put_objects("m/100%", body=b"another")
    s3.delete_object(Bucket=bucket, Key="m/🗺.tif")
    hint(maps, "maps", "m/new", "m/100%", "m/🗺.tif")
    apply_changes(maps, "maps")

    done = refresh_index(maps, "maps", inventory=uri)
    refresh_index(maps, "listed")

    assert done.applied.asked == 0
    assert states(maps, "maps") == states(maps, "listed")


def test_what_was_written_shortly_before_the_report_and_is_not_in_it_is_asked_about(
    maps: Catalog, s3, bucket: str, reports: str
):
    refresh_index(maps, "maps")
    s3.delete_object(Bucket=bucket, Key="m/100%")
    soon = datetime.now(UTC) + timedelta(seconds=5)
    uri = ReportOf(rows_of_bucket(s3, bucket)[:2], created_at=soon).put(s3, reports, bucket)

    done = refresh_index(maps, "maps", inventory=uri)
    refresh_index(maps, "listed")

    assert (done.rows, index_keys(maps, "maps")) == (4, index_keys(maps, "listed"))


def test_a_hint_is_not_answered_by_a_report(
    maps: Catalog, s3, bucket: str, reports: str, put_objects, monkeypatch: pytest.MonkeyPatch
):
    # However long before the report it came.
    monkeypatch.setattr("s3pipelines.core.index.reports.MARGIN", timedelta(0))
    put_objects("m/hinted")
    rows = rows_of_bucket(s3, bucket)
    hint(maps, "maps", "m/hinted")
    put_objects("m/hinted", body=b"larger than before")
    uri = ReportOf(rows, created_at=datetime.now(UTC) + timedelta(seconds=5)).put(
        s3, reports, bucket
    )

    done = refresh_index(maps, "maps", inventory=uri)

    assert done.applied.asked == 1
    sizes = {row["key"]: row["size_bytes"] for row in index_rows(maps, "maps")}
    assert sizes["m/hinted"] == len(b"larger than before")
    assert read_pending(maps, get_source(maps, "maps")) is None


def test_a_later_report_repairs_the_index_like_a_listing(
    maps: Catalog, s3, bucket: str, reports: str
):
    rows = [row | {"last_modified_date": ago(days=9)} for row in rows_of_bucket(s3, bucket)]
    first = ReportOf(rows, created_at=ago(hours=30)).put(s3, reports, bucket)
    refresh_index(maps, "maps", inventory=first)
    kept = [row for row in rows if row["key"] != "m/100%"]
    later = ReportOf(kept, created_at=ago(hours=1)).put(s3, reports, bucket, folder="inv/later/")

    done = refresh_index(maps, "maps", inventory=later)

    assert (done.deleted, done.created, done.rows) == (1, 0, 4)
    record = last_refresh(maps, get_source(maps, "maps"))
    assert record is not None
    assert record.listed_at < ago(minutes=50)


def test_a_report_that_is_older_than_the_last_listing_is_refused(
    maps: Catalog, s3, bucket: str, reports: str
):
    refresh_index(maps, "maps")
    uri = ReportOf(rows_of_bucket(s3, bucket), created_at=ago(days=1)).put(s3, reports, bucket)

    with pytest.raises(InvalidInput, match=r"would bring back what is gone.*Take the next report"):
        refresh_index(maps, "maps", inventory=uri)


def test_a_report_of_another_bucket_is_refused(maps: Catalog, s3, bucket: str, reports: str):
    uri = ReportOf(rows_of_bucket(s3, bucket)).put(s3, reports, "somebody-elses")

    with pytest.raises(InvalidInput, match=r"'somebody-elses'.*not of"):
        refresh_index(maps, "maps", inventory=uri)


@pytest.mark.parametrize("file_format", ["Parquet", "ORC", "CSV"])
def test_a_report_without_a_field_is_refused_with_its_name(
    maps: Catalog, s3, bucket: str, reports: str, file_format: str
):
    report = ReportOf(rows_of_bucket(s3, bucket), file_format, without=("storage_class",))

    with pytest.raises(InvalidInput, match="Add the field StorageClass"):
        refresh_index(maps, "maps", inventory=report.put(s3, reports, bucket))


def test_a_report_with_nothing_of_the_source_is_refused(
    maps: Catalog, s3, bucket: str, reports: str
):
    rows = [row for row in rows_of_bucket(s3, bucket) if row["key"].startswith("other/")]

    with pytest.raises(InvalidInput, match="has no object of 'maps'"):
        refresh_index(maps, "maps", inventory=ReportOf(rows).put(s3, reports, bucket))


def test_a_damaged_or_missing_file_is_refused_and_the_index_stays(
    maps: Catalog, s3, bucket: str, reports: str
):
    uri = ReportOf(rows_of_bucket(s3, bucket)).put(s3, reports, bucket)
    body = s3.get_object(Bucket=reports, Key="inv/data/1.parquet")["Body"].read()
    s3.put_object(Bucket=reports, Key="inv/data/1.parquet", Body=body[:-1] + b"?")
    with pytest.raises(StorageError, match="not what its checksum says"):
        refresh_index(maps, "maps", inventory=uri)
    s3.delete_object(Bucket=reports, Key="inv/data/1.parquet")
    with pytest.raises(StorageError, match=r"There is no object .*1\.parquet"):
        refresh_index(maps, "maps", inventory=uri)

    assert index_keys(maps, "maps") == []


def test_a_file_that_is_as_its_checksum_says_and_yet_no_such_file_is_refused(
    maps: Catalog, s3, bucket: str, reports: str, monkeypatch: pytest.MonkeyPatch
):
    for file_format in ("Parquet", "ORC", "CSV"):
        report = ReportOf(rows_of_bucket(s3, bucket), file_format)
        monkeypatch.setattr(report, "encoded", lambda _: b"nothing of that kind")
        with pytest.raises(StorageError, match="cannot be read"):
            refresh_index(maps, "maps", inventory=report.put(s3, reports, bucket))


def test_a_manifest_is_checked_before_it_is_believed(maps: Catalog, s3, bucket: str, reports: str):
    uri = ReportOf(rows_of_bucket(s3, bucket)).put(s3, reports, bucket)
    key, beside = "inv/2026/manifest.json", "inv/2026/manifest.checksum"
    s3.put_object(Bucket=reports, Key=key, Body=b"{}")
    with pytest.raises(StorageError, match="not what its checksum says"):
        refresh_index(maps, "maps", inventory=uri)
    s3.put_object(Bucket=reports, Key=beside, Body=md5(b"{}").encode())
    with pytest.raises(InvalidInput, match="is no manifest of an S3 Inventory"):
        refresh_index(maps, "maps", inventory=uri)
    s3.delete_object(Bucket=reports, Key=beside)
    with pytest.raises(StorageError, match=r"There is no manifest\.checksum"):
        refresh_index(maps, "maps", inventory=uri)


@pytest.mark.parametrize("uri", ["manifest.json", "s3://b/inv/", "https://b/manifest.json"])
def test_what_is_no_address_of_a_manifest_is_refused(maps: Catalog, uri: str):
    with pytest.raises(InvalidInput, match=r"Write s3://BUCKET/…/manifest\.json"):
        refresh_index(maps, "maps", inventory=uri)


def test_many_rows_are_sorted_in_little_memory(maps: Catalog, s3, bucket: str, reports: str):
    (row, *_) = rows_of_bucket(s3, bucket)
    rows = [row | {"key": f"m/{number * 7919 % 60_000:06}"} for number in range(60_000)]
    uri = ReportOf(rows, files=3).put(s3, reports, bucket)

    done = refresh_index(replace(maps, memory_limit_mb=64), "maps", inventory=uri)

    keys = index_keys(maps, "maps")
    assert (done.created, len(keys)) == (60_000, 60_000)
    assert keys == sorted(keys)


AT = datetime(2026, 1, 1, tzinfo=UTC)
times = st.lists(st.integers(0, 20), min_size=1, max_size=8)


@given(times, st.integers(-1, 21))
def test_no_commit_up_to_the_last_one_before_a_time_is_later_than_it(hours: list[int], at: int):
    known = {version: AT + timedelta(hours=hour) for version, hour in enumerate(hours)}

    last = last_before(known, AT + timedelta(hours=at))

    assert all(hour <= at for hour in hours[: last + 1])
    assert last + 1 == len(hours) or hours[last + 1] > at


def test_a_log_that_does_not_go_back_so_far_is_refused():
    with pytest.raises(InvalidInput, match="no longer goes back"):
        last_before({7: AT, 8: AT}, AT - timedelta(hours=1))
    assert last_before({7: AT, 8: AT + timedelta(hours=2)}, AT) == 7
