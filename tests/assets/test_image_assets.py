"""The assets made of images, their checks, and what they show in the Dagster UI."""

import base64
import io
import re

import pytest
from dagster import AssetKey, DagsterEventType
from PIL import Image

from s3pipelines.core.catalog.schemas import DERIVATIVES, IMAGES
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.sql.session import open_session
from tests.core.imaging.pictures import file_of, quadrants
from tests.dagster_world import DagsterWorld

JPEG = file_of(quadrants(), "JPEG")
HOSTILE = 'maps/"><script>alert(1)</script>|.jpg'


@pytest.fixture
def maps(world: DagsterWorld, bucket, put_objects) -> DagsterWorld:
    """A source `maps` of good and bad files, indexed."""
    put_objects("maps/1.jpg", HOSTILE, body=JPEG)
    put_objects("maps/bad.jpg", "maps/README", body=b"This is text.")
    create_source(world.catalog, "maps", f"s3://{bucket}/maps", derive=("headers", "thumbnails"))
    refresh_index(world.catalog, "maps")
    world.instance.add_dynamic_partitions("sources", ["maps"])
    return world


def metadata(world: DagsterWorld, asset: str) -> dict:
    event = world.instance.get_latest_materialization_event(AssetKey(asset))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.partition == "maps"
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def failure(result) -> str:
    event = next(e for e in result.all_events if e.event_type is DagsterEventType.STEP_FAILURE)
    error = event.step_failure_data.error
    assert error is not None
    return error.message


def test_headers_become_rows_and_numbers_that_the_ui_can_plot(maps: DagsterWorld):
    assert maps.run("read_image_headers", partition_key="maps").success

    shown = metadata(maps, "image_headers")
    numbers = {name: value for name, value in shown.items() if isinstance(value, int | float)}
    assert numbers.pop("duration_s") > 0
    assert numbers.pop("images_per_s") > 0
    assert numbers.pop("bytes_read") > 2 * len(JPEG)
    assert numbers == {
        "dagster/partition_row_count": 2,
        "images": 2,
        "made": 2,
        "failed": 1,
        "archived": 0,
        "no_images": 1,
        "still_missing": 0,
    }
    assert [record.data["format"] for record in shown["by_format"].records] == ["jpeg"]
    (failed,) = shown["failures"].records
    assert (failed.data["key"], failed.data["reason"]) == ("maps/bad.jpg", "not_an_image")
    with open_session(maps.catalog) as session:
        rows = session.run("SELECT key, width_px FROM images WHERE error IS NULL ORDER BY key")
        assert [row["width_px"] for row in rows.read_all().to_pylist()] == [120, 120]


def test_thumbnails_come_with_a_contact_sheet_and_a_link_to_the_gallery(maps: DagsterWorld):
    assert maps.run("make_thumbnails", partition_key="maps").success

    shown = metadata(maps, "thumbnails")
    assert (shown["made"], shown["failed"], shown["no_images"]) == (2, 1, 1)
    assert shown["bytes_written"] > 0
    assert shown["gallery"] == "http://127.0.0.1:3001/sources/maps"
    sheet = shown["contact_sheet"]
    assert len(sheet.encode()) <= 100_000
    images = re.findall(r"data:image/webp;base64,([A-Za-z0-9+/=]+)", sheet)
    assert [Image.open(io.BytesIO(base64.b64decode(i))).size for i in images] == [(120, 80)] * 2
    assert "120 x 80" in sheet
    assert "<script" not in sheet
    assert "⚠" in sheet


def test_a_second_run_finds_nothing_to_do_and_still_shows_the_sheet(maps: DagsterWorld):
    maps.run("make_thumbnails", partition_key="maps")

    assert maps.run("make_thumbnails", partition_key="maps").success

    shown = metadata(maps, "thumbnails")
    assert (shown["made"], shown["failed"]) == (0, 0)
    assert "data:image/webp" in shown["contact_sheet"]


def test_failures_are_tried_again_when_the_config_says_so(maps: DagsterWorld):
    maps.run("make_thumbnails", partition_key="maps")

    config = {"ops": {"thumbnails": {"config": {"again": ["not_an_image"]}}}}
    assert maps.run("make_thumbnails", partition_key="maps", run_config=config).success

    assert metadata(maps, "thumbnails")["failed"] == 1


def test_the_assets_declare_their_columns_and_their_lineage(world: DagsterWorld):
    for name, schema in (("image_headers", IMAGES), ("thumbnails", DERIVATIVES)):
        node = world.repository.asset_graph.get(AssetKey(name))
        columns = node.metadata["dagster/column_schema"].columns
        assert [column.name for column in columns] == schema.column_names
        assert node.parent_keys == {AssetKey("object_index")}


def test_a_backfill_leaves_sources_alone_that_did_not_ask(maps: DagsterWorld, bucket):
    create_source(maps.catalog, "plain", f"s3://{bucket}/maps")
    maps.instance.add_dynamic_partitions("sources", ["plain"])

    by_backfill = maps.run(
        "make_thumbnails", partition_key="plain", tags={"dagster/backfill": "abc"}
    )

    assert not by_backfill.success
    assert "does not ask for thumbnails" in failure(by_backfill)
    assert maps.run("make_thumbnails", partition_key="plain").success


def test_a_source_whose_bucket_is_gone_is_a_failed_run_with_one_clear_line(
    maps: DagsterWorld, s3, bucket
):
    for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=entry["Key"])
    s3.delete_bucket(Bucket=bucket)

    result = maps.run("read_image_headers", partition_key="maps")

    assert not result.success
    assert f"There is no bucket {bucket!r}" in failure(result)


def test_the_checks_name_unreadable_images_with_reasons_and_what_is_missing(maps: DagsterWorld):
    before = _checks(maps)
    assert before["images_are_readable"].passed
    assert before["headers_are_complete"].description == "Failing: maps"
    assert not before["thumbnails_are_complete"].passed
    maps.run("read_image_headers", partition_key="maps")
    maps.run("make_thumbnails", partition_key="maps")

    after = _checks(maps)

    assert after["headers_are_complete"].passed
    assert after["thumbnails_are_complete"].passed
    unreadable = after["images_are_readable"]
    assert unreadable.description == "1 images cannot be read."
    assert unreadable.severity.value == "WARN"
    (reason,) = unreadable.metadata["reasons"].value.records
    assert reason.data["example"] == "maps/bad.jpg"
    assert reason.data["reason"] == "not_an_image"


def _checks(world: DagsterWorld) -> dict:
    result = world.run("check_images")
    assert result.success
    return {found.check_name: found for found in result.get_asset_check_evaluations()}
