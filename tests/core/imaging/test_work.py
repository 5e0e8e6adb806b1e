"""Going through a source on a real S3: rows, thumbnails, retries, and what is left alone."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import IMAGES
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.errors import Archived
from s3pipelines.core.imaging import fetching, work
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.missing import count_missing, missing
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.thumbnails import ThumbnailParams, thumbnail_name
from s3pipelines.core.imaging.wishes import Work
from s3pipelines.core.imaging.work import Report, run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.locations import FolderLocation, S3Location
from s3pipelines.core.storage.ranged_reads import ObjectReader
from tests.core.imaging.conftest import MakePool
from tests.core.imaging.pictures import file_of, quadrants
from tests.core.imaging.sources import indexed, keys_missing, rows_of
from tests.servers import on_every_catalog

JPEG = file_of(quadrants(), "JPEG")
PNG = file_of(quadrants(64, 64), "PNG")
HEADERS = Work("all", "header")
THUMBNAILS = Work("all", "thumbnail")


@on_every_catalog
def test_every_image_gets_a_thumbnail_and_a_row(catalog: Catalog, bucket, put_objects, s3, pool):
    put_objects("a/one.jpg", 'b/"><script>alert(1)</script>.jpg', "no-extension", body=JPEG)
    put_objects("bad.jpg", body=b"not an image")
    put_objects("notes.txt", "data.parquet", body=b"text")
    indexed(catalog, bucket)

    report = run(catalog, THUMBNAILS, pool=pool)

    assert (report.made, dict(report.failed), report.archived) == (3, {"not_an_image": 1}, 0)
    rows = rows_of(catalog, "derivatives")
    assert [row["key"] for row in rows] == [
        "a/one.jpg",
        'b/"><script>alert(1)</script>.jpg',
        "bad.jpg",
        "no-extension",
    ]
    row = rows[0]
    name = thumbnail_name(ThumbnailParams().digest, "all", row["key"], row["etag"])
    place = catalog.derivatives_location("all")
    assert row["uri"] == f"{place.uri.rstrip('/')}/{name}"
    assert (row["status"], row["width_px"], row["height_px"]) == ("ok", 120, 80)
    webp = _read(place, name, s3)
    assert webp[8:12] == b"WEBP"
    assert (row["size_bytes"], row["sha256"]) == (len(webp), hashlib.sha256(webp).hexdigest())
    assert (rows[2]["status"], rows[2]["error"], rows[2]["uri"]) == (
        "quarantined",
        "not_an_image",
        None,
    )


def _read(place: Any, name: str, s3: Any) -> bytes:
    if isinstance(place, FolderLocation):
        return (place.path / name).read_bytes()
    return s3.get_object(Bucket=place.bucket, Key=place.prefix + name)["Body"].read()


def test_headers_become_rows(local_catalog: Catalog, bucket, put_objects, pool):
    put_objects("one.jpg", body=JPEG)
    put_objects("empty.png", body=b"")
    indexed(local_catalog, bucket)

    report = run(local_catalog, HEADERS, pool=pool)

    assert (report.made, dict(report.failed)) == (1, {"empty": 1})
    empty, one = rows_of(local_catalog, "images")
    assert (one["format"], one["width_px"], one["height_px"], one["error"]) == (
        "jpeg",
        120,
        80,
        None,
    )
    assert one["reader_version"] == pool.reader_version
    assert (empty["error"], empty["format"]) == ("empty", None)


def test_a_second_run_has_nothing_to_do_and_writes_nothing(
    local_catalog: Catalog, bucket, put_objects, pool
):
    put_objects("one.jpg", "two.jpg", body=JPEG)
    put_objects("bad.jpg", body=b"x")
    indexed(local_catalog, bucket)
    run(local_catalog, THUMBNAILS, pool=pool)

    again = run(local_catalog, THUMBNAILS, pool=pool)

    assert again.objects == 0
    assert len(rows_of(local_catalog, "derivatives")) == 3


def test_changed_objects_parameters_and_libraries_are_worked_on_again(
    local_catalog: Catalog, bucket, put_objects, pool
):
    put_objects("one.jpg", "two.jpg", body=JPEG)
    put_objects("bad.jpg", body=b"x")
    indexed(local_catalog, bucket)
    run(local_catalog, THUMBNAILS, pool=pool)
    put_objects("one.jpg", body=PNG)
    refresh_index(local_catalog, "all")
    version = pool.reader_version

    assert keys_missing(local_catalog, THUMBNAILS, version) == ["one.jpg"]
    assert keys_missing(local_catalog, THUMBNAILS, "newer") == ["one.jpg", "bad.jpg"]
    smaller = replace(THUMBNAILS, params=ThumbnailParams(box_px=50))
    assert len(keys_missing(local_catalog, smaller, version)) == 3
    assert count_missing(local_catalog, smaller, version) == 3
    again = replace(THUMBNAILS, again=frozenset({"not_an_image"}))
    assert keys_missing(local_catalog, again, version) == ["one.jpg", "bad.jpg"]


def test_archived_objects_are_told_and_not_fetched(
    local_catalog: Catalog, bucket, s3, pool, monkeypatch
):
    for number, storage_class in enumerate(("GLACIER", "DEEP_ARCHIVE", "STANDARD")):
        s3.put_object(Bucket=bucket, Key=f"{number}.jpg", Body=JPEG, StorageClass=storage_class)
    indexed(local_catalog, bucket)
    fetched: list[str] = []
    read = ObjectReader.read

    def spied(self: ObjectReader, key: str, *arguments: Any) -> bytes:
        fetched.append(key)
        return read(self, key, *arguments)

    monkeypatch.setattr(ObjectReader, "read", spied)

    report = run(local_catalog, THUMBNAILS, pool=pool)

    assert (report.made, report.archived, dict(report.failed)) == (1, 2, {})
    assert fetched == ["2.jpg"]
    rows = rows_of(local_catalog, "derivatives")
    assert [(row["status"], row["error"]) for row in rows] == [
        ("skipped", "archived"),
        ("skipped", "archived"),
        ("ok", None),
    ]
    assert run(local_catalog, THUMBNAILS, pool=pool).objects == 0


def test_an_object_that_s3_says_is_archived_is_archived(
    local_catalog: Catalog, bucket, s3, put_objects, pool, monkeypatch
):
    """INTELLIGENT_TIERING tells only when it is asked; and S3 itself refuses what is in GLACIER."""
    s3.put_object(Bucket=bucket, Key="one.jpg", Body=JPEG, StorageClass="GLACIER")
    etag = s3.head_object(Bucket=bucket, Key="one.jpg")["ETag"].strip('"')
    with pytest.raises(Archived):
        ObjectReader(Access(), bucket).read("one.jpg", etag, 0, 10)


def test_objects_that_changed_or_went_since_the_index_are_not_decoded(
    local_catalog: Catalog, bucket, put_objects, s3, pool
):
    put_objects("changed.jpg", "gone.jpg", "same.jpg", body=JPEG)
    indexed(local_catalog, bucket)
    put_objects("changed.jpg", body=PNG)
    s3.delete_object(Bucket=bucket, Key="gone.jpg")

    report = run(local_catalog, THUMBNAILS, pool=pool)

    assert (report.made, dict(report.failed)) == (1, {"changed": 1, "gone": 1})
    # They say nothing of the files, and the next refresh of the index puts an end to them.
    assert keys_missing(local_catalog, THUMBNAILS, pool.reader_version) == [
        "changed.jpg",
        "gone.jpg",
    ]
    refresh_index(local_catalog, "all")
    assert keys_missing(local_catalog, THUMBNAILS, pool.reader_version) == ["changed.jpg"]


def test_what_the_machine_may_be_to_blame_for_is_tried_three_times(
    local_catalog: Catalog, bucket, put_objects, make_pool: MakePool
):
    put_objects("heavy.jpg", body=file_of(quadrants(3000, 3000), "JPEG", progressive=True))
    indexed(local_catalog, bucket)
    small = make_pool(Limits(memory_bytes=8 * 1024 * 1024))

    reports = [run(local_catalog, THUMBNAILS, pool=small) for _ in range(5)]

    assert [report.objects for report in reports] == [1, 1, 1, 0, 0]
    assert {row["error"] for row in rows_of(local_catalog, "derivatives")} == {"out_of_memory"}


def test_names_that_cannot_be_images_cost_no_request(
    local_catalog: Catalog, bucket, put_objects, pool
):
    put_objects("a.csv", "b.h5", "folder/", body=b"x")
    put_objects("c.unknown", "d", body=b"x")
    indexed(local_catalog, bucket)
    version = pool.reader_version

    assert keys_missing(local_catalog, HEADERS, version) == ["c.unknown", "d"]
    assert keys_missing(local_catalog, replace(HEADERS, sniff=False), version) == []
    # What its header showed to be none is not fetched again for a thumbnail.
    run(local_catalog, HEADERS, pool=pool)
    assert keys_missing(local_catalog, THUMBNAILS, version) == []


def test_shards_take_every_object_once(local_catalog: Catalog, bucket, put_objects, pool):
    put_objects(*(f"{number}.jpg" for number in range(30)), body=JPEG)
    indexed(local_catalog, bucket)

    shards = [
        keys_missing(local_catalog, replace(THUMBNAILS, shard=(n, 3)), pool.reader_version)
        for n in range(3)
    ]

    assert all(3 <= len(shard) <= 20 for shard in shards)
    assert sorted(key for shard in shards for key in shard) == sorted(
        f"{number}.jpg" for number in range(30)
    )


def test_a_run_that_breaks_off_keeps_what_it_did(local_catalog: Catalog, bucket, put_objects, pool):
    put_objects(*(f"{number:03}.jpg" for number in range(150)), body=JPEG)
    indexed(local_catalog, bucket)

    def stop(report: Report) -> None:
        if report.objects == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(local_catalog, THUMBNAILS, pool=pool, progress=stop)
    before = {row["key"] for row in rows_of(local_catalog, "derivatives")}
    assert 40 <= len(before) < 150

    rest = run(local_catalog, THUMBNAILS, pool=pool)

    assert rest.made == 150 - len(before)
    assert len(rows_of(local_catalog, "derivatives")) == 150


def test_a_selection_and_its_limit_are_kept_to(local_catalog: Catalog, bucket, put_objects, pool):
    put_objects(*(f"{number}.jpg" for number in range(10)), "x/1.jpg", body=JPEG)
    indexed(local_catalog, bucket)
    some = replace(THUMBNAILS, selection=Selection(glob="?.jpg", limit=4))
    assert count_missing(local_catalog, some, pool.reader_version) == 4

    report = run(local_catalog, some, pool=pool)

    assert (report.made, report.complete) == (4, False)
    rest = run(local_catalog, THUMBNAILS, pool=pool)
    assert (rest.made, rest.complete) == (7, True)


def test_what_arrives_overtakes_a_backfill_that_is_running(
    local_catalog: Catalog, bucket, put_objects, pool, monkeypatch
):
    monkeypatch.setattr(work, "_SLICE_OBJECTS", 5)
    put_objects(*(f"{number:02}.jpg" for number in range(20)), body=JPEG)
    indexed(local_catalog, bucket)

    def arrive(report: Report) -> None:
        if report.objects == 3:
            put_objects("new.jpg", body=PNG)
            refresh_index(local_catalog, "all")

    report = run(local_catalog, THUMBNAILS, pool=pool, progress=arrive)

    assert (report.made, report.complete) == (21, True)
    rows = sorted(rows_of(local_catalog, "derivatives"), key=lambda row: row["made_at"])
    assert "new.jpg" in [row["key"] for row in rows[5:10]]


def test_a_run_ends_when_its_time_is_over_and_says_so(
    local_catalog: Catalog, bucket, put_objects, pool
):
    put_objects(*(f"{number:03}.jpg" for number in range(200)), body=JPEG)
    indexed(local_catalog, bucket)

    first = run(local_catalog, THUMBNAILS, pool=pool, budget_s=0.01)

    assert 0 < first.objects < 200
    assert not first.complete
    left = count_missing(local_catalog, THUMBNAILS, pool.reader_version)
    assert left == 200 - first.objects


def test_what_the_storage_did_not_give_is_tried_once_in_a_run_and_then_after_pauses(
    local_catalog: Catalog, bucket, put_objects, s3, pool
):
    put_objects("gone.jpg", body=JPEG)
    indexed(local_catalog, bucket)
    s3.delete_object(Bucket=bucket, Key="gone.jpg")
    patient = replace(THUMBNAILS, patient=True)
    version = pool.reader_version

    report = run(local_catalog, patient, pool=pool)

    assert dict(report.failed) == {"gone": 1}
    assert [example.key for example in report.examples] == ["gone.jpg"]
    assert keys_missing(local_catalog, patient, version) == []
    assert keys_missing(local_catalog, THUMBNAILS, version) == ["gone.jpg"]
    _make_older(local_catalog, timedelta(minutes=3))
    assert keys_missing(local_catalog, patient, version) == ["gone.jpg"]
    run(local_catalog, patient, pool=pool)
    _make_older(local_catalog, timedelta(minutes=3))
    assert keys_missing(local_catalog, patient, version) == []


def _make_older(catalog: Catalog, by: timedelta) -> None:
    DeltaTable(catalog.table_uri("derivatives")).update(
        updates={"made_at": f"made_at - INTERVAL '{int(by.total_seconds())} seconds'"}
    )


def test_objects_that_are_no_images_by_name_are_not_counted_as_failures(
    local_catalog: Catalog, bucket, put_objects, pool
):
    put_objects("README", "broken.jpg", body=b"This is text.")
    indexed(local_catalog, bucket)

    report = run(local_catalog, HEADERS, pool=pool)

    assert (report.no_images, dict(report.failed)) == (1, {"not_an_image": 1})


def test_a_large_object_goes_through_a_file_without_a_name(
    local_catalog: Catalog, bucket, put_objects, pool, monkeypatch, tmp_path: Path
):
    monkeypatch.setattr(fetching, "IN_MEMORY_BYTES", 100)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    put_objects("one.jpg", body=JPEG)
    indexed(local_catalog, bucket)

    assert run(local_catalog, THUMBNAILS, pool=pool).made == 1


def test_derivatives_of_two_sources_never_share_a_folder(local_catalog: Catalog):
    for template, expected in (
        ("s3://bucket/all", "s3://bucket/all/one/"),
        ("s3://bucket/x/{source}/y", "s3://bucket/x/one/y/"),
    ):
        catalog = replace(local_catalog, derivatives=template)
        location = catalog.derivatives_location("one")
        assert isinstance(location, S3Location)
        assert location.uri == expected
    assert local_catalog.derivatives_location("one").uri.endswith("/derivatives/one")


def test_a_key_cannot_choose_where_its_thumbnail_goes():
    names = {
        thumbnail_name("p", source, key, etag)
        for source in ("a", "b")
        for key in ("../../x", "/etc/passwd", "a\nb", "\ud800")
        for etag in ("1", "2")
    }
    assert len(names) == 16
    assert all(name.startswith("thumbnails/p/") and name.count("/") == 3 for name in names)


def test_iterating_may_stop_early(local_catalog: Catalog, bucket, put_objects, pool):
    put_objects("1.jpg", "2.jpg", body=JPEG)
    indexed(local_catalog, bucket)

    with closing(_iterator(local_catalog, pool)) as items:
        assert next(items).key == "1.jpg"


def _iterator(catalog: Catalog, pool: DecodePool) -> Any:
    items: Iterator[Any] = missing(catalog, THUMBNAILS, pool.reader_version)
    return items


def test_several_writers_may_append_at_once(local_catalog: Catalog, moto):
    ensure_table(local_catalog, IMAGES)
    from concurrent.futures import ThreadPoolExecutor

    def write(number: int) -> None:
        row: dict[str, Any] = dict.fromkeys(IMAGES.column_names)
        row |= {"source": "all", "key": f"{number}", "etag": "e", "read_at": datetime.now(UTC)}
        append_rows(local_catalog, IMAGES, [row | {"reader_version": "1"}])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(12)))

    assert len(rows_of(local_catalog, "images")) == 12
