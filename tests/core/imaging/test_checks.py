"""What the checks find, and what stands for the formats of a source."""

from dataclasses import replace

import pytest
from PIL import Image

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging.checks import lacking, unreadable
from s3pipelines.core.imaging.summary import FormatGroup, by_format
from s3pipelines.core.imaging.wishes import Work
from s3pipelines.core.imaging.work import run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, list_sources
from tests.core.imaging.pictures import file_of, quadrants

JPEG = file_of(quadrants(), "JPEG")


@pytest.fixture
def scans(local_catalog: Catalog, bucket, put_objects, s3) -> Catalog:
    """A source of good, broken, archived and other objects, indexed but not read."""
    put_objects("a.jpg", "b.jpg", body=JPEG)
    put_objects("c.png", body=file_of(quadrants(50, 60), "PNG"))
    put_objects("bad1.jpg", "bad2.jpg", "README", body=b"This is text.")
    put_objects("empty.png", body=b"")
    s3.put_object(Bucket=bucket, Key="cold.jpg", Body=JPEG, StorageClass="DEEP_ARCHIVE")
    create_source(local_catalog, "scans", f"s3://{bucket}", derive=("headers",))
    refresh_index(local_catalog, "scans")
    return local_catalog


def test_unreadable_images_are_counted_by_reason_with_an_example(scans: Catalog, pool):
    run(scans, Work("scans", "header"), pool=pool)

    found = unreadable(scans, list_sources(scans))

    assert [(f.reason, f.images, f.example) for f in found] == [
        ("not_an_image", 2, "bad1.jpg"),
        ("empty", 1, "empty.png"),
    ]
    assert found[1].detail == "The object has no bytes."


def test_half_a_file_is_unreadable_though_its_header_is_good(scans: Catalog, pool, put_objects):
    png = file_of(Image.effect_noise((300, 300), 90), "PNG")
    put_objects("half.png", body=png[: len(png) // 2])
    refresh_index(scans, "scans")
    run(scans, Work("scans", "header"), pool=pool)
    before = {f.reason: f.images for f in unreadable(scans, list_sources(scans))}

    run(scans, Work("scans", "thumbnail"), pool=pool)

    after = {f.reason: f.images for f in unreadable(scans, list_sources(scans))}
    assert before == {"not_an_image": 2, "empty": 1}
    assert after == before | {"truncated": 1}


def test_an_image_that_was_mended_is_unreadable_no_more(scans: Catalog, pool, put_objects):
    run(scans, Work("scans", "header"), pool=pool)
    put_objects("bad1.jpg", "bad2.jpg", "empty.png", body=JPEG)
    refresh_index(scans, "scans")

    assert unreadable(scans, list_sources(scans)) == []


def test_sources_that_lack_what_they_ask_for_are_named(scans: Catalog, pool):
    version = pool.reader_version
    sources = list_sources(scans)

    assert lacking(scans, sources, "header", version) == {"scans": "8 objects to go"}
    assert lacking(scans, sources, "thumbnail", version) == {}
    run(scans, Work("scans", "header"), pool=pool)
    assert lacking(scans, sources, "header", version) == {}


def test_a_source_that_cannot_be_asked_is_a_finding_and_stops_no_other(scans: Catalog, pool):
    run(scans, Work("scans", "header"), pool=pool)
    gone = list_sources(scans)[0].model_copy(update={"id": "gone"})

    found = unreadable(scans, [gone, *list_sources(scans)])

    assert [f.source_id for f in found] == ["scans", "scans"]
    assert "gone" in lacking(scans, [gone], "header", pool.reader_version)["gone"]


def test_the_formats_of_a_source_are_those_of_the_objects_it_has_now(
    scans: Catalog, pool, put_objects
):
    run(scans, Work("scans", "header"), pool=pool)

    assert by_format(scans, "scans") == [
        FormatGroup("jpeg", 2, 120, 80, 0.0),
        FormatGroup("png", 1, 50, 60, 0.0),
    ]
    assert by_format(replace(scans), "nothing") == []
