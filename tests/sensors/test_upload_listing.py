"""The sensor `upload_listing`: what it requests, when it waits, and what it never does."""

from datetime import UTC, datetime, timedelta

import pytest
from dagster import AssetKey, DagsterRunStatus, RunRequest

from s3pipelines.core.detection import looks
from s3pipelines.core.errors import AccessDenied, Unreachable
from s3pipelines.core.sources.registry import create_source, delete_source
from s3pipelines.sensors import upload_listing
from s3pipelines.sensors.run_requests import Materializing, pause_after, reason_to_wait
from tests.dagster_world import DagsterWorld

APPLIES = Materializing("object_index", "process_uploads")


@pytest.fixture
def maps(world: DagsterWorld, bucket, put_objects) -> DagsterWorld:
    """A source `maps` of two objects, registered but not indexed."""
    put_objects("maps/1", "maps/2")
    create_source(world.catalog, "maps", f"s3://{bucket}/maps")
    return world


def partitions(world: DagsterWorld) -> list[str]:
    return list(world.instance.get_dynamic_partitions("sources"))


def carry_out(world: DagsterWorld, request: RunRequest):
    return world.run(
        request.job_name or "",
        partition_key=request.partition_key,
        run_config=request.run_config,
        asset_selection=request.asset_selection,
        tags=request.tags,
    )


def leave_run(world: DagsterWorld, status: DagsterRunStatus) -> str:
    """Leave a run of `maps` behind in that state."""
    job = world.repository.get_job("process_uploads")
    run = world.instance.create_run_for_job(job, status=status, tags={"dagster/partition": "maps"})
    return run.run_id


def test_a_new_source_gets_its_partition_and_one_run(maps: DagsterWorld):
    tick = maps.tick()

    assert [request.partition_key for request in tick.run_requests or []] == ["maps"]
    assert partitions(maps) == ["maps"]


def test_the_requested_run_brings_the_index_up_to_date_and_the_next_tick_rests(
    maps: DagsterWorld,
):
    request = (maps.tick().run_requests or [])[0]
    assert carry_out(maps, request).success

    tick = maps.tick()

    assert tick.run_requests == []
    assert tick.skip_message == "The index agrees with every source."


@pytest.mark.parametrize("change", ["create", "overwrite", "delete"])
def test_every_kind_of_change_leads_to_a_run(maps: DagsterWorld, bucket, put_objects, s3, change):
    maps.tick()
    maps.run("refresh_index", partition_key="maps")
    if change == "delete":
        s3.delete_object(Bucket=bucket, Key="maps/1")
    else:
        put_objects("maps/new" if change == "create" else "maps/1", body=b"other")

    tick = maps.tick()

    assert [request.partition_key for request in tick.run_requests or []] == ["maps"]


def test_what_was_seen_is_reported_on_the_uploads(maps: DagsterWorld):
    tick = maps.tick()

    (event,) = tick.asset_events
    assert event.asset_key == AssetKey("uploads")
    assert event.partition == "maps"
    assert event.metadata["differing_objects"].value == 2


@pytest.mark.parametrize(
    "status", [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
)
def test_nothing_is_requested_while_a_run_of_the_source_is_under_way(maps: DagsterWorld, status):
    leave_run(maps, status)

    tick = maps.tick()

    assert tick.run_requests == []
    assert tick.skip_message == "maps: a run is queued or running"


def test_a_failed_run_is_tried_again_with_another_run_key(maps: DagsterWorld):
    first = (maps.tick().run_requests or [])[0]
    leave_run(maps, DagsterRunStatus.FAILURE)

    assert (
        reason_to_wait(maps.instance, APPLIES, "maps", datetime.now(UTC) + timedelta(hours=2))
        is None
    )
    second = (maps.tick().run_requests or [])[0]
    assert first.run_key != second.run_key


def test_repeated_failures_are_slowed_down_to_once_an_hour():
    assert [pause_after(n).total_seconds() for n in (1, 2, 3, 20)] == [30, 60, 120, 3600]


def test_a_run_that_failed_just_now_is_not_tried_again_at_once(maps: DagsterWorld, bucket, s3):
    maps.tick()
    s3.delete_object(Bucket=bucket, Key="maps/1")
    maps.instance.add_dynamic_partitions("sources", ["maps"])
    maps.catalog.documents.put("sources/maps.json", b"not json")
    assert not maps.run("process_uploads", partition_key="maps").success

    reason = reason_to_wait(maps.instance, APPLIES, "maps", datetime.now(UTC))

    assert reason is not None
    assert reason.startswith("the last 1 run(s) failed; tried again at")


def test_a_source_that_cannot_be_listed_is_said_and_does_not_stop_the_others(
    maps: DagsterWorld, bucket, put_objects, monkeypatch
):
    create_source(maps.catalog, "aaa", f"s3://{bucket}/aaa")
    compare = looks.compare_slice

    def denied(catalog, connection, source, *rest):
        if source.id == "aaa":
            raise AccessDenied("Access to s3://x is denied.", hint="Grant it.")
        return compare(catalog, connection, source, *rest)

    monkeypatch.setattr(looks, "compare_slice", denied)

    tick = maps.tick()

    assert [request.partition_key for request in tick.run_requests or []] == ["maps"]
    assert maps.tick().skip_message is None


def test_a_deleted_source_loses_its_partition(maps: DagsterWorld):
    maps.tick()
    delete_source(maps.catalog, "maps")

    tick = maps.tick()

    assert partitions(maps) == []
    assert tick.run_requests == []


def test_a_lost_cursor_costs_a_pass_and_nothing_else(maps: DagsterWorld, put_objects):
    maps.tick()
    maps.run("refresh_index", partition_key="maps")
    put_objects("maps/3")

    tick = maps.tick(cursor="not a cursor of ours")

    assert [request.partition_key for request in tick.run_requests or []] == ["maps"]


def test_a_damaged_registration_is_said_keeps_its_partition_and_stops_no_other_source(
    maps: DagsterWorld, bucket
):
    maps.tick()
    maps.catalog.documents.put("sources/maps.json", b"not json")

    tick = maps.tick()

    assert tick.run_requests == []
    assert partitions(maps) == ["maps"]
    assert "sources/maps.json" in (tick.skip_message or "")
    create_source(maps.catalog, "zzz", f"s3://{bucket}/maps")
    assert [request.partition_key for request in maps.tick().run_requests or []] == ["zzz"]


def test_a_catalog_that_cannot_be_reached_is_said_and_no_partition_is_removed(
    maps: DagsterWorld, monkeypatch
):
    maps.tick()

    def unreachable(_):
        raise Unreachable("The endpoint does not answer.", hint="Check it.")

    monkeypatch.setattr(upload_listing, "read_registry", unreachable)

    tick = maps.tick()

    assert tick.skip_message == "The endpoint does not answer. Check it."
    assert partitions(maps) == ["maps"]
