"""Pyramids of a source on a real S3: rows, files, caps, what is made again and what is not."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from s3pipelines.core.annotations.annotate import annotate
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.budget import Slots
from s3pipelines.core.imaging.missing import count_missing
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramids import PYRAMID_LIMITS
from s3pipelines.core.imaging.report import Report
from s3pipelines.core.imaging.wishes import work_on
from s3pipelines.core.imaging.work import run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, get_source, update_source
from s3pipelines.core.storage import derived_files
from s3pipelines.core.storage.locations import FolderLocation
from s3pipelines.core.storage.ranged_reads import ObjectReader
from tests.core.imaging.pictures import file_of, quadrants
from tests.core.imaging.sources import rows_of

JPEG = file_of(quadrants(600, 400), "JPEG")
PNG = file_of(quadrants(64, 64), "PNG")
Make = Callable[..., Report]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DecodePool]:
    """Two workers that may write files."""
    with DecodePool(PYRAMID_LIMITS, slots=Slots(2, tmp_path_factory.mktemp("slots"))) as made:
        yield made


def registered(catalog: Catalog, bucket: str, **pyramid: Any) -> None:
    create_source(catalog, "all", f"s3://{bucket}/maps", pyramid=pyramid)
    refresh_index(catalog, "all")


def made_of(catalog: Catalog, pool: DecodePool, **options: Any) -> Report:
    return run(catalog, work_on(get_source(catalog, "all"), "pyramid", **options), pool=pool)


def file_at(catalog: Catalog, s3: Any, name: str) -> bytes:
    place = catalog.derivatives_location("all")
    if isinstance(place, FolderLocation):
        return (place.path / name).read_bytes()
    return s3.get_object(Bucket=place.bucket, Key=place.prefix + name)["Body"].read()


def sizes(catalog: Catalog) -> dict[str, tuple[int, int]]:
    """The latest pyramid of each key."""
    rows = sorted(rows_of(catalog, "derivatives"), key=lambda row: row["made_at"])
    return {row["key"]: (row["width_px"], row["height_px"]) for row in rows if not row["error"]}


def test_every_image_gets_a_pyramid_under_its_key_and_a_row(
    catalog: Catalog, bucket, put_objects, s3, pool
):
    put_objects("maps/a/one.jpg", "maps/no-extension", body=JPEG)
    put_objects("maps/bad.jpg", body=b"not an image")
    put_objects("maps/notes.txt", body=b"text")
    registered(catalog, bucket)

    report = made_of(catalog, pool)

    assert (report.made, dict(report.failed), report.complete) == (2, {"not_an_image": 1}, True)
    one, bad, _ = rows_of(catalog, "derivatives")
    place = catalog.derivatives_location("all").uri.rstrip("/")
    assert one["uri"] == f"{place}/pyramids/a/one.jpg.tif"
    assert (one["kind"], one["status"], one["width_px"], one["height_px"]) == (
        "pyramid",
        "ok",
        600,
        400,
    )
    data = file_at(catalog, s3, "pyramids/a/one.jpg.tif")
    assert (one["size_bytes"], one["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert Image.open(io.BytesIO(data)).size == (600, 400)
    assert (bad["status"], bad["error"], bad["uri"]) == ("quarantined", "not_an_image", None)


def test_a_second_run_does_nothing(local_catalog: Catalog, bucket, put_objects, pool):
    put_objects("maps/one.jpg", "maps/two.jpg", body=JPEG)
    put_objects("maps/bad.jpg", body=b"x")
    registered(local_catalog, bucket)
    made_of(local_catalog, pool)

    assert made_of(local_catalog, pool).objects == 0
    assert len(rows_of(local_catalog, "derivatives")) == 3


def test_changed_objects_and_parameters_are_made_anew(
    local_catalog: Catalog, bucket, put_objects, pool
):
    put_objects("maps/one.jpg", "maps/two.jpg", body=JPEG)
    registered(local_catalog, bucket)
    made_of(local_catalog, pool)
    put_objects("maps/one.jpg", body=PNG)
    refresh_index(local_catalog, "all")

    assert made_of(local_catalog, pool).made == 1
    assert sizes(local_catalog)["maps/one.jpg"] == (64, 64)
    update_source(local_catalog, "all", "finer", pyramid={"quality": 95})
    assert get_source(local_catalog, "all").pyramid.tile_px == 256
    assert made_of(local_catalog, pool).made == 2
    update_source(local_catalog, "all", "back", pyramid={"quality": 85})
    assert made_of(local_catalog, pool).made == 0


def test_rules_cap_the_objects_that_they_name_and_only_those_are_made_anew(
    local_catalog: Catalog, bucket, put_objects, pool, tmp_path: Path
):
    put_objects("maps/free.jpg", "maps/mine.jpg", "maps/unknown.jpg", body=JPEG)
    registered(local_catalog, bucket)
    made_of(local_catalog, pool)
    rights = tmp_path / "rights.csv"
    rights.write_text("key,rights\nfree.jpg,public\nmine.jpg,copyright\n")
    annotate(local_catalog, "all", rights, "key")
    rules = [
        {"when": "rights = 'copyright'", "max_width_px": 300, "max_height_px": 300},
        {"when": "annotation:rights=copyright", "max_width_px": 120},
        {"when": "key LIKE '%unknown%' -- really", "max_height_px": 100},
    ]

    update_source(local_catalog, "all", "rights", pyramid={"rules": rules})

    assert made_of(local_catalog, pool).made == 2
    assert sizes(local_catalog) == {
        "maps/free.jpg": (600, 400),
        "maps/mine.jpg": (120, 80),
        "maps/unknown.jpg": (150, 100),
    }
    rights.write_text("key,rights\nfree.jpg,copyright\nmine.jpg,copyright\n")
    annotate(local_catalog, "all", rights, "key")
    assert made_of(local_catalog, pool).made == 1
    assert sizes(local_catalog)["maps/free.jpg"] == (120, 80)


def test_tags_are_asked_for_when_a_rule_needs_them_and_remembered(
    local_catalog: Catalog, bucket, put_objects, s3, pool
):
    put_objects("maps/free.jpg", "maps/mine.jpg", body=JPEG)
    tags = {"TagSet": [{"Key": "rights", "Value": "copyright"}]}
    s3.put_object_tagging(Bucket=bucket, Key="maps/mine.jpg", Tagging=tags)
    rules = [{"when": "tag:rights=copyright", "max_width_px": 120}]
    registered(local_catalog, bucket, rules=rules)

    assert made_of(local_catalog, pool).made == 2

    assert sizes(local_catalog) == {"maps/free.jpg": (600, 400), "maps/mine.jpg": (120, 80)}
    assert made_of(local_catalog, pool).objects == 0
    named = {row["key"]: row["value"] for row in rows_of(local_catalog, "tags")}
    assert named == {"maps/free.jpg": None, "maps/mine.jpg": "copyright"}


def test_a_rule_that_cannot_be_asked_stops_everything_rather_than_cap_nothing(
    local_catalog: Catalog, bucket, put_objects, pool
):
    put_objects("maps/one.jpg", body=JPEG)
    rules = [{"when": "rihgts = 'copyright'", "max_width_px": 120}]
    registered(local_catalog, bucket, rules=rules)

    with pytest.raises(InvalidInput, match="rihgts"):
        made_of(local_catalog, pool)


def test_every_page_has_a_pyramid_and_one_bad_page_stops_no_other(
    local_catalog: Catalog, bucket, put_objects, s3, pool
):
    pages = [Image.new("RGB", (300, 200), (60 * n, 0, 0)) for n in range(1, 5)]
    document = bytearray(
        file_of(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="jpeg")
    )
    put_objects("maps/good.tif", body=bytes(document))
    starts = [at for at in range(len(document)) if document[at : at + 3] == b"\xff\xd8\xff"]
    document[starts[4] : starts[4] + 60] = bytes(60)
    put_objects("maps/half.tif", body=bytes(document))
    registered(local_catalog, bucket)

    report = made_of(local_catalog, pool)

    assert report.made == 1
    assert report.failures == 1
    rows = rows_of(local_catalog, "derivatives")
    good = [row for row in rows if row["key"] == "maps/good.tif"]
    assert [row["params_digest"].partition("/")[2] for row in good] == ["", "2", "3", "4"]
    assert [row["uri"].rpartition("/")[2] for row in good] == [
        f"good.tif.page-000{n}.tif" for n in range(1, 5)
    ]
    for number in range(1, 5):
        data = file_at(local_catalog, s3, f"pyramids/good.tif.page-000{number}.tif")
        red = Image.open(io.BytesIO(data)).getpixel((5, 5))
        assert red == pytest.approx((60 * number, 0, 0), abs=6)
    half = [row for row in rows if row["key"] == "maps/half.tif"]
    assert [row["error"] for row in half].count(None) == 3
    assert any((row["error_detail"] or "").startswith("Page ") for row in half)
    assert made_of(local_catalog, pool).objects == 0
    assert count_missing(local_catalog, _pyramids(local_catalog), "newer") == 1


def _pyramids(catalog: Catalog) -> Any:
    return work_on(get_source(catalog, "all"), "pyramid")


def test_the_key_follows_a_template_and_what_has_no_key_of_its_own_is_a_row(
    catalog: Catalog, bucket, put_objects, pool
):
    put_objects("maps/a/1.jpg", "maps/a/1.png", "maps/b/2.jpg", "maps/c//3.jpg", body=JPEG)
    put_objects("maps/" + "x" * 1000 + ".jpg", body=JPEG)
    registered(catalog, bucket, key="{parent}{stem}.pyramid.tif")

    report = made_of(catalog, pool)

    assert (report.made, set(report.failed)) == (1, {"no_target"})
    row = next(row for row in rows_of(catalog, "derivatives") if not row["error"])
    assert row["uri"].endswith("/pyramids/b/2.pyramid.tif")
    details = [row["error_detail"] for row in rows_of(catalog, "derivatives") if row["error"]]
    assert sum("Other objects would have" in detail for detail in details) == 2


def test_hostile_keys_lead_nowhere(local_catalog: Catalog, bucket, put_objects, pool, tmp_path):
    put_objects("maps/../../../../up.jpg", "maps/ok.jpg", body=JPEG)
    registered(local_catalog, bucket)

    report = made_of(local_catalog, pool)

    assert (report.made, dict(report.failed)) == (1, {"no_target": 1})
    assert not list(tmp_path.glob("**/up.jpg*"))


def test_keys_without_their_extension_keep_it_where_they_would_clash(
    local_catalog: Catalog, bucket, put_objects, pool
):
    put_objects("maps/a.jpg", "maps/b.jpg", body=JPEG)
    put_objects("maps/a.png", body=PNG)
    registered(local_catalog, bucket, key="{parent}{base}.tif")

    assert made_of(local_catalog, pool).made == 3

    names = {row["uri"].rpartition("/")[2] for row in rows_of(local_catalog, "derivatives")}
    assert names == {"a.jpg.tif", "a.png.tif", "b.tif"}


def test_large_images_are_decoded_as_they_arrive_and_go_up_in_parts(
    s3_catalog: Catalog, bucket, put_objects, s3, pool, monkeypatch
):
    monkeypatch.setattr("s3pipelines.core.imaging.pyramid_making.IN_MEMORY_BYTES", 100_000)
    noise = Image.effect_noise((2400, 2400), 80)
    put_objects("maps/large.jpg", body=file_of(noise, "JPEG", quality=95))
    registered(s3_catalog, bucket, compression="none", tile_px=512)
    monkeypatch.setattr(derived_files, "_ONE_REQUEST_BYTES", 1024 * 1024)
    downloads: list[int] = []
    chunks = ObjectReader.chunks

    def spied(self: ObjectReader, key: str, etag: str, offset: int, size: int) -> Any:
        downloads.append(offset)
        return chunks(self, key, etag, offset, size)

    monkeypatch.setattr(ObjectReader, "chunks", spied)

    assert made_of(s3_catalog, pool).made == 1

    assert downloads == [65536]
    place = s3_catalog.derivatives_location("all")
    name = f"{place.prefix}pyramids/large.jpg.tif"  # pyright: ignore[reportAttributeAccessIssue]
    head = s3.head_object(Bucket=place.bucket, Key=name)  # pyright: ignore[reportAttributeAccessIssue]
    assert head["ContentType"] == "image/tiff"
    (row,) = rows_of(s3_catalog, "derivatives")
    assert (
        row["sha256"]
        == hashlib.sha256(file_at(s3_catalog, s3, "pyramids/large.jpg.tif")).hexdigest()
    )


def test_what_is_not_what_it_should_be_is_not_published(
    local_catalog: Catalog, bucket, put_objects, pool, monkeypatch
):
    put_objects("maps/one.jpg", body=JPEG)
    registered(local_catalog, bucket, compression="none")
    limits = replace(PYRAMID_LIMITS, max_output_bytes=100_000)
    with DecodePool(limits, slots=Slots(1, pool._slots._folder)) as small:
        report = made_of(local_catalog, small)

    assert report.made == 0
    place = local_catalog.derivatives_location("all")
    assert isinstance(place, FolderLocation)
    assert not list(place.path.glob("**/*.tif"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"compression": "zstd"}, "writes no TIFF with 'zstd'"),
        ({"compression": "fun"}, "pyramid.compression"),
        ({"tile_px": 100}, "tiles of 100 px"),
        ({"key": "{fun}.tif"}, "{fun}"),
        ({"rules": [{"when": "a =", "max_width_px": 1}]}, "no SQL condition"),
        ({"rules": [{"when": "true"}]}, "neither a largest width nor a height"),
    ],
)
def test_options_that_cannot_be_are_refused_when_a_source_is_registered(
    local_catalog: Catalog, bucket, options, words
):
    with pytest.raises(InvalidInput) as error:
        create_source(local_catalog, "all", f"s3://{bucket}", pyramid=options)

    assert words in str(error.value)
