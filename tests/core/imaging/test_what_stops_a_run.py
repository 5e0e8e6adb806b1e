"""What must not stop a run, and what must: odd objects, outages, other machines, deletions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import DERIVATIVES, IMAGES
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.errors import AccessDenied, NoSuchBucket, NotFound, StorageError, Unreachable
from s3pipelines.core.imaging.wishes import Work
from s3pipelines.core.imaging.work import Report, run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, delete_source
from s3pipelines.core.storage.documents import open_documents
from s3pipelines.core.storage.ranged_reads import ObjectReader
from tests.core.imaging.pictures import file_of, quadrants
from tests.core.imaging.sources import indexed, keys_missing, rows_of

JPEG = file_of(quadrants(), "JPEG")
HEADERS = Work("all", "header")
THUMBNAILS = Work("all", "thumbnail")


def test_what_concerns_every_object_ends_the_run(
    local_catalog: Catalog, bucket, put_objects, s3, pool
):
    put_objects("one.jpg", body=JPEG)
    indexed(local_catalog, bucket)
    s3.delete_object(Bucket=bucket, Key="one.jpg")
    s3.delete_bucket(Bucket=bucket)

    with pytest.raises(NoSuchBucket):
        run(local_catalog, THUMBNAILS, pool=pool)


def test_a_place_for_derivatives_that_cannot_be_written_ends_the_run(
    local_catalog: Catalog, bucket, put_objects, pool, tmp_path: Path
):
    put_objects("one.jpg", body=JPEG)
    indexed(local_catalog, bucket)
    (tmp_path / "file").write_text("in the way")
    catalog = replace(local_catalog, derivatives=str(tmp_path / "file"))

    with pytest.raises(AccessDenied):
        run(catalog, THUMBNAILS, pool=pool)
    ensure_table(catalog, DERIVATIVES)
    assert rows_of(catalog, "derivatives") == []


def test_a_source_that_is_deleted_leaves_no_thumbnails_and_no_rows(
    catalog: Catalog, bucket, put_objects, pool, s3
):
    put_objects("one.jpg", "two.jpg", body=JPEG)
    indexed(catalog, bucket)
    create_source(catalog, "other", f"s3://{bucket}")
    refresh_index(catalog, "other")
    for source_id in ("all", "other"):
        run(catalog, replace(THUMBNAILS, source_id=source_id), pool=pool)

    delete_source(catalog, "all")

    assert [row["source"] for row in rows_of(catalog, "derivatives")] == ["other", "other"]
    place = open_documents(catalog.derivatives_location("all"), catalog.access)
    assert place.names("thumbnails/") == []
    others = open_documents(catalog.derivatives_location("other"), catalog.access)
    assert len(others.names("thumbnails/")) == 2


@pytest.mark.parametrize("registered_anew", [False, True])
def test_a_run_whose_source_is_deleted_meanwhile_ends_without_rows(
    local_catalog: Catalog, bucket, put_objects, pool, registered_anew
):
    put_objects(*(f"{number}.jpg" for number in range(20)), body=JPEG)
    indexed(local_catalog, bucket)

    def delete(report: Report) -> None:
        if report.objects == 3:
            delete_source(local_catalog, "all")
            if registered_anew:
                indexed(local_catalog, bucket)

    with pytest.raises(NotFound):
        run(local_catalog, THUMBNAILS, pool=pool, progress=delete)

    assert rows_of(local_catalog, "derivatives") == []
    if not registered_anew:
        place = open_documents(local_catalog.derivatives_location("all"), local_catalog.access)
        assert place.names("thumbnails/") == []


def test_one_object_that_s3_refuses_in_its_own_words_does_not_stop_the_others(
    local_catalog: Catalog, bucket, put_objects, pool, monkeypatch
):
    put_objects(*(f"{number}.jpg" for number in range(9)), body=JPEG)
    indexed(local_catalog, bucket)
    read = ObjectReader.read

    def refused(self: ObjectReader, key: str, *arguments: Any) -> bytes:
        if key == "4.jpg":
            raise StorageError("GetObject failed: KMS.DisabledException.", hint="See there.")
        if key == "5.jpg":
            raise OSError(28, "No space left on device")
        return read(self, key, *arguments)

    monkeypatch.setattr(ObjectReader, "read", refused)

    report = run(local_catalog, THUMBNAILS, pool=pool)

    assert (report.made, dict(report.failed)) == (7, {"unreachable": 2})


def test_machines_with_different_libraries_do_not_try_a_failure_in_turns(
    local_catalog: Catalog, bucket, put_objects, pool
):
    put_objects("bad.jpg", body=JPEG[:300])
    indexed(local_catalog, bucket)
    run(local_catalog, HEADERS, pool=pool)
    run(local_catalog, THUMBNAILS, pool=pool)
    assert keys_missing(local_catalog, THUMBNAILS, "other") == ["bad.jpg"]
    row = rows_of(local_catalog, "derivatives")[0]
    later = row | {"reader_version": "other", "made_at": datetime.now(UTC)}
    append_rows(local_catalog, DERIVATIVES, [later])

    assert keys_missing(local_catalog, THUMBNAILS, "other") == []
    assert keys_missing(local_catalog, THUMBNAILS, pool.reader_version) == []


def test_what_was_no_image_once_and_is_one_now_gets_its_thumbnail(
    local_catalog: Catalog, bucket, put_objects, pool
):
    put_objects("odd", body=JPEG)
    indexed(local_catalog, bucket)
    run(local_catalog, HEADERS, pool=pool)
    row = rows_of(local_catalog, "images")[0]
    earlier = row | {"error": "not_an_image", "read_at": row["read_at"] - timedelta(days=1)}
    append_rows(local_catalog, IMAGES, [earlier])

    assert keys_missing(local_catalog, THUMBNAILS, pool.reader_version) == ["odd"]


def test_an_outage_ends_the_run_before_it_is_written_onto_every_object(
    local_catalog: Catalog, bucket, put_objects, pool, monkeypatch
):
    put_objects(*(f"{number:03}.jpg" for number in range(200)), body=JPEG)
    indexed(local_catalog, bucket)

    def away(self: ObjectReader, key: str, *arguments: Any) -> bytes:
        raise Unreachable("The endpoint does not answer.", hint="Check it.")

    monkeypatch.setattr(ObjectReader, "read", away)
    patient = replace(THUMBNAILS, patient=True)

    with pytest.raises(Unreachable, match="None of the first 64 objects could be read"):
        run(local_catalog, patient, pool=pool)

    tried = {row["key"] for row in rows_of(local_catalog, "derivatives")}
    assert 64 <= len(tried) <= 130
    # The next run tries others.
    assert tried.isdisjoint(keys_missing(local_catalog, patient, pool.reader_version))
