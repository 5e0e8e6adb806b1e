"""Conversions as a batch: plan → apply → report → undo, on real images."""

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.report import report_on
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.conversion.recipe import recipe_of
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.sql.session import open_session
from tests.core.batch.buckets import Held, contents
from tests.core.batch.plans import in_both_kinds_of_buckets, plan, undo
from tests.core.imaging.pictures import file_of, quadrants, shows_quadrants
from tests.core.imaging.test_corpus import EXPECTED

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "images"
SMALL = {"output": "webp", "steps": [{"resize": {"width": 60, "height": 60}}]}
PICTURE = file_of(quadrants(), "PNG")


@pytest.fixture
def pictures(s3, bucket: str, index, versions: bool) -> dict[str, Held]:
    """Pictures in folders, of which some share a stem, and one that is none."""
    for key in ("a.png", "b.tiff", "deep/c.png", "deep/c.bmp", "deep/c.png.bmp", "no-extension"):
        s3.put_object(Bucket=bucket, Key=f"maps/{key}", Body=PICTURE, Tagging="kind=scan")
    s3.put_object(Bucket=bucket, Key="maps/broken.png", Body=PICTURE[:-40], Metadata={"a": "b"})
    index()
    return contents(s3, bucket)


def conversion(catalog: Catalog, to: str, recipe: Any = SMALL, **params: Any) -> Plan:
    glob = params.pop("glob", None)
    return plan(catalog, "convert", Selection(glob=glob), to=to, recipe=recipe_of(recipe), **params)


def derivatives(catalog: Catalog) -> dict[str, dict[str, Any]]:
    with open_session(catalog) as session:
        rows = session.run("SELECT * FROM derivatives WHERE kind = 'convert'").read_all()
    return {row["key"]: row for row in rows.to_pylist()}


@in_both_kinds_of_buckets
def test_each_image_is_converted_or_told_why_not_and_an_undo_removes_the_files(
    batch_catalog: Catalog, pictures: dict[str, Held], s3, bucket: str, target_bucket: str
):
    made = conversion(batch_catalog, f"s3://{target_bucket}/small")
    assert contents(s3, target_bucket) == {}

    report = apply_plan(batch_catalog, made.id)

    assert (report.done, report.failed, report.left) == (6, 1, 0)
    assert [(r.error, r.examples) for r in report.reasons] == [("truncated", ("maps/broken.png",))]
    files = contents(s3, target_bucket)
    assert sorted(files) == [
        "small/a.webp",
        "small/b.webp",
        "small/deep/c.bmp.webp",
        "small/deep/c.png.bmp.webp",
        "small/deep/c.png.webp",
        "small/no-extension.webp",
    ]
    for held in files.values():
        image = Image.open(io.BytesIO(held.body))
        assert (held.content_type, image.size) == ("image/webp", (60, 40))
        assert shows_quadrants(image, within=24)
        assert held.tags == ()
    assert contents(s3, bucket) == pictures

    rows = derivatives(batch_catalog)
    assert len(rows) == 7
    row, held = rows["maps/a.png"], files["small/a.webp"]
    assert (row["uri"], row["status"]) == (f"s3://{target_bucket}/small/a.webp", "ok")
    assert row["sha256"] == hashlib.sha256(held.body).hexdigest()
    assert (row["size_bytes"], row["width_px"], row["height_px"]) == (len(held.body), 60, 40)
    assert dict(held.metadata)["s3pipelines-sha256"] == row["sha256"]
    assert (rows["maps/broken.png"]["status"], rows["maps/broken.png"]["uri"]) == (
        *("quarantined", None),
    )

    undone = undo(batch_catalog, made)

    assert (undone.done, undone.failed) == (6, 0)
    assert contents(s3, target_bucket) == {}
    row = derivatives(batch_catalog)["maps/a.png"]
    assert (row["status"], row["uri"], row["error"]) == ("skipped", None, None)


@in_both_kinds_of_buckets
def test_an_undo_brings_back_what_a_file_replaced(
    batch_catalog: Catalog, pictures, s3, target_bucket: str, versions: bool
):
    to = f"s3://{target_bucket}/small"
    s3.put_object(Bucket=target_bucket, Key="small/a.webp", Body=b"before", Metadata={"old": "1"})
    before = contents(s3, target_bucket)
    with pytest.raises(InvalidInput, match="1 object would go to targets that exist already"):
        conversion(batch_catalog, to, glob="[ab].*")
    skips = apply_plan(
        batch_catalog, conversion(batch_catalog, to, glob="[ab].*", on_existing="skip").id
    )
    assert (skips.done, skips.skipped) == (1, 1)

    over = conversion(batch_catalog, to, glob="a.*", on_existing="overwrite")
    assert apply_plan(batch_catalog, over.id).done == 1
    image = Image.open(io.BytesIO(contents(s3, target_bucket)["small/a.webp"].body))
    assert shows_quadrants(image, within=24)

    assert undo(batch_catalog, over).done == 1
    after = contents(s3, target_bucket)
    assert after["small/a.webp"] == before["small/a.webp"]


def test_what_changed_since_the_plan_is_left_alone(
    batch_catalog: Catalog, pictures, s3, bucket: str, target_bucket: str
):
    made = conversion(batch_catalog, f"s3://{target_bucket}")
    s3.put_object(Bucket=bucket, Key="maps/a.png", Body=PICTURE + b"!")
    s3.delete_object(Bucket=bucket, Key="maps/no-extension")
    s3.put_object(Bucket=target_bucket, Key="b.webp", Body=b"somebody's")

    report = apply_plan(batch_catalog, made.id)

    assert {r.error: r.examples for r in report.reasons} == {
        "changed": ("maps/a.png",),
        "gone": ("maps/no-extension",),
        "exists": ("maps/b.tiff",),
        "truncated": ("maps/broken.png",),
    }
    assert contents(s3, target_bucket)["b.webp"].body == b"somebody's"


def test_metadata_and_tags_of_the_originals_come_along_where_asked(
    batch_catalog: Catalog, pictures, s3, bucket: str, target_bucket: str
):
    s3.put_object(
        Bucket=bucket, Key="maps/a.png", Body=PICTURE, Metadata={"by": "me"}, Tagging="kind=scan"
    )
    refresh_index(batch_catalog, "maps")
    told: dict[str, Any] = {
        "keep_object_metadata": True,
        "keep_object_tags": True,
        "metadata": {"More": "1"},
        "tags": {"made": "yes"},
        "storage_class": "STANDARD_IA",
    }

    apply_plan(
        batch_catalog,
        conversion(batch_catalog, f"s3://{target_bucket}", glob="a.png", **told).id,
    )

    (held,) = contents(s3, target_bucket).values()
    assert held.tags == (("kind", "scan"), ("made", "yes"))
    assert {"by": "me", "more": "1"}.items() <= dict(held.metadata).items()
    assert (held.storage_class, held.content_type) == ("STANDARD_IA", "image/webp")


def test_a_second_application_does_only_what_is_not_done(
    batch_catalog: Catalog, pictures, s3, bucket: str, target_bucket: str
):
    made = conversion(batch_catalog, f"s3://{target_bucket}")
    apply_plan(batch_catalog, made.id)
    first = {
        entry["Key"]: entry["LastModified"]
        for entry in s3.list_objects_v2(Bucket=target_bucket)["Contents"]
    }

    again = apply_plan(batch_catalog, made.id)

    assert (again.done, again.failed) == (6, 1)
    assert first == {
        entry["Key"]: entry["LastModified"]
        for entry in s3.list_objects_v2(Bucket=target_bucket)["Contents"]
    }


def test_templates_know_the_format_and_refuse_what_collides(
    batch_catalog: Catalog, pictures, s3, bucket: str, target_bucket: str
):
    to = f"s3://{target_bucket}"
    made = conversion(batch_catalog, to, glob="[ab].*", template="{format}/{stem}.{format}")
    apply_plan(batch_catalog, made.id)

    assert sorted(contents(s3, target_bucket)) == ["webp/a.webp", "webp/b.webp"]
    with pytest.raises(InvalidInput, match="2 objects would go to targets that others go to"):
        conversion(batch_catalog, to, glob="deep/c.[pb]??", template="{parent}{stem}.{format}")
    with pytest.raises(InvalidInput, match="would be written in place"):
        conversion(batch_catalog, f"s3://{bucket}/maps", {"output": "png"}, glob="a.png")


def test_a_format_that_this_machine_does_not_write_is_refused_before_anything_is_planned(
    batch_catalog: Catalog, pictures, target_bucket: str
):
    for output, can in (("jxl", "jpeg, png"), ({"format": "tiff", "compression": "zstd"}, "lzw")):
        with pytest.raises(InvalidInput, match="This machine writes no") as refused:
            conversion(batch_catalog, f"s3://{target_bucket}", {"output": output})
        assert can in refused.value.hint


def test_each_file_of_the_corpus_gives_a_file_or_a_row_with_the_reason(
    batch_catalog: Catalog, s3, bucket: str, target_bucket: str, index, versions: bool
):
    if not CORPUS.is_dir():
        pytest.skip("There is no corpus beside this checkout.")
    for path in CORPUS.iterdir():
        s3.put_object(Bucket=bucket, Key=f"maps/{path.name}", Body=path.read_bytes())
    index()
    made = conversion(
        batch_catalog,
        f"s3://{target_bucket}",
        {"output": "jpeg", "steps": [{"resize": {"width": 800, "height": 800}}]},
    )

    report = apply_plan(batch_catalog, made.id)

    expected = {name: value[0] for name, value in EXPECTED.items()}
    good = {name for name, value in expected.items() if isinstance(value, int)}
    assert (report.done, report.failed, report.left) == (len(good), len(expected) - len(good), 0)
    rows = derivatives(batch_catalog)
    assert {key.removeprefix("maps/") for key in rows} == set(expected)
    for key, row in rows.items():
        name = key.removeprefix("maps/")
        assert row["error"] == (None if name in good else expected[name])
    files = contents(s3, target_bucket)
    assert len(files) == len(good)
    assert {hashlib.sha256(held.body).hexdigest() for held in files.values()} == {
        row["sha256"] for row in rows.values() if row["sha256"]
    }
    assert not s3.list_multipart_uploads(Bucket=target_bucket).get("Uploads")
    assert undo(batch_catalog, made).done == len(good)
    assert contents(s3, target_bucket) == {}
    assert report_on(batch_catalog, made.id).done == len(good)
