"""The asset `pyramids`: its metadata, its checks, and the jobs and schedule that make it."""

import base64
import io
import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from dagster import AssetKey
from PIL import Image

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, update_source
from s3pipelines.settings import Settings
from tests.core.imaging.pictures import file_of, quadrants
from tests.core.imaging.sources import rows_of
from tests.dagster_world import DagsterWorld, dagster_world

JPEG = file_of(quadrants(600, 400), "JPEG")
MORNING = datetime(2026, 3, 2, 5, 30, tzinfo=ZoneInfo("America/New_York"))


@pytest.fixture
def scans(world: DagsterWorld, bucket, put_objects) -> DagsterWorld:
    """A source `scans` of good and bad files that asks for pyramids, indexed."""
    put_objects("scans/1.jpg", "scans/2.jpg", body=JPEG)
    put_objects("scans/bad.jpg", body=b"This is text.")
    create_source(world.catalog, "scans", f"s3://{bucket}/scans", derive=("pyramids",))
    refresh_index(world.catalog, "scans")
    world.instance.add_dynamic_partitions("sources", ["scans"])
    return world


def metadata(world: DagsterWorld) -> dict:
    event = world.instance.get_latest_materialization_event(AssetKey("pyramids"))
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_the_metadata_has_counts_costs_reasons_and_a_sheet_of_the_newest(scans: DagsterWorld):
    assert scans.run("make_pyramids", partition_key="scans").success

    shown = metadata(scans)
    assert (shown["made"], shown["failed"], shown["still_missing"]) == (2, 1, 0)
    assert shown["s_per_image"] > 0
    assert shown["bytes_per_image"] == shown["bytes_written"] // 2
    (reason,) = shown["reasons"].records
    assert reason.data == {"reason": "not_an_image", "images": 1}
    images = re.findall(r"data:image/webp;base64,([A-Za-z0-9+/=]+)", shown["contact_sheet"])
    sizes = [Image.open(io.BytesIO(base64.b64decode(one))).size for one in images]
    assert sizes == [(200, 133)] * 2
    assert "600 x 400" in shown["contact_sheet"]
    assert shown["gallery"] == "http://127.0.0.1:3001/sources/scans?show=pyramids"


def _checks(world: DagsterWorld) -> dict:
    result = world.run("check_images")
    assert result.success
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def test_the_checks_name_what_is_missing_and_what_is_left_of_deleted_objects(
    scans: DagsterWorld, s3, bucket
):
    assert _checks(scans)["pyramids_are_complete"].description == "Failing: scans"
    scans.run("make_pyramids", partition_key="scans")
    before = _checks(scans)
    assert before["pyramids_are_complete"].passed
    assert before["pyramids_have_objects"].passed
    assert before["images_are_readable"].description == "1 images cannot be read."

    s3.delete_object(Bucket=bucket, Key="scans/1.jpg")
    refresh_index(scans.catalog, "scans")

    (orphan,) = _checks(scans)["pyramids_have_objects"].metadata["findings"].value.records
    assert orphan.data["source"] == "scans"
    assert "1 files" in orphan.data["finding"]
    assert "pyramids/1.jpg.tif" in orphan.data["finding"]


def test_the_schedule_requests_a_run_per_source_with_work_and_else_says_why_not(
    scans: DagsterWorld, bucket
):
    create_source(scans.catalog, "plain", f"s3://{bucket}/scans")
    create_source(scans.catalog, "empty", f"s3://{bucket}/nothing", derive=("pyramids",))

    tick = scans.schedule("daily_pyramids", scheduled_execution_time=MORNING)

    (request,) = tick.run_requests
    assert (request.partition_key, request.job_name) == ("scans", "make_pyramids")
    assert request.run_config["ops"]["pyramids"]["config"] == {"patient": True, "until_done": True}
    assert request.tags["s3pipelines/pyramids"] == "pyramid"
    done = scans.run("make_pyramids", partition_key="scans", run_config=request.run_config)
    assert done.success
    quiet = scans.schedule("daily_pyramids", scheduled_execution_time=MORNING)
    assert not quiet.run_requests
    assert "scans: every image has its pyramid" in quiet.skip_message


def test_the_schedule_runs_at_half_past_five_in_new_york_or_when_the_settings_say(
    world: DagsterWorld, local_catalog: Catalog
):
    schedule = world.repository.get_schedule_def("daily_pyramids")
    assert (schedule.cron_schedule, schedule.execution_timezone) == (
        "30 5 * * *",
        "America/New_York",
    )
    chosen = {"pyramids_schedule": "0 22 * * 1", "pyramids_timezone": "Europe/Berlin"}
    with dagster_world(local_catalog, **chosen) as other:
        schedule = other.repository.get_schedule_def("daily_pyramids")
        assert (schedule.cron_schedule, schedule.execution_timezone) == (
            "0 22 * * 1",
            "Europe/Berlin",
        )


@pytest.mark.parametrize(
    "wrong", [{"pyramids_timezone": "Fun/Town"}, {"pyramids_schedule": "at noon"}]
)
def test_a_time_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong.values()))):
        Settings(**wrong)


def test_pyramids_on_arrival_are_requested_by_the_sensor_and_scheduled_ones_are_not(
    scans: DagsterWorld,
):
    nothing = scans.tick(name="missing_derivatives")
    assert not nothing.run_requests

    update_source(scans.catalog, "scans", "at once", pyramids="on-arrival")

    (request,) = scans.tick(name="missing_derivatives").run_requests or []
    assert (request.job_name, request.partition_key) == ("make_pyramids", "scans")


def test_the_job_makes_chosen_objects_again_now_or_leaves_it_to_the_next_run(scans: DagsterWorld):
    scans.run("make_pyramids", partition_key="scans")
    config = {"source": "scans", "glob": "1*"}

    asked = scans.run("rerun_images", run_config={"ops": {"rerun_chosen": {"config": config}}})

    assert asked.success
    assert len(rows_of(scans.catalog, "derivatives")) == 3
    scans.run("make_pyramids", partition_key="scans")
    assert metadata(scans)["made"] == 1
    config = {"source": "scans", "now": True}
    now = scans.run("rerun_images", run_config={"ops": {"rerun_chosen": {"config": config}}})
    assert not now.success  # The bad one is as bad as before.
    keys = [row["key"] for row in rows_of(scans.catalog, "derivatives")]
    assert keys.count("scans/1.jpg") == 3
    assert keys.count("scans/2.jpg") == 2
