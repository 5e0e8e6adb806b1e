"""The sensor `missing_derivatives`: what it requests, of which sources, and when it waits."""

import pytest
from dagster import DagsterRunStatus
from dagster._core.definitions.run_request import RunRequest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from s3pipelines.core.errors import Unreachable
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, update_source
from s3pipelines.sensors import missing_derivatives
from tests.core.imaging.pictures import file_of, quadrants
from tests.dagster_world import DagsterWorld

JPEG = file_of(quadrants(), "JPEG")


@pytest.fixture
def maps(world: DagsterWorld, bucket, put_objects) -> DagsterWorld:
    """A source `maps` with two images, indexed, which wants headers and thumbnails."""
    put_objects("maps/1.jpg", "maps/2.jpg", body=JPEG)
    create_source(world.catalog, "maps", f"s3://{bucket}/maps", derive=("headers", "thumbnails"))
    refresh_index(world.catalog, "maps")
    return world


def tick(world: DagsterWorld, cursor: str | None = None) -> SensorExecutionData:
    return world.tick(cursor, name="missing_derivatives")


def requested(data: SensorExecutionData) -> list[tuple[str | None, str | None]]:
    return [(request.job_name, request.partition_key) for request in data.run_requests or []]


def carry_out(world: DagsterWorld, request: RunRequest) -> None:
    assert world.run(
        request.job_name or "",
        partition_key=request.partition_key,
        tags=dict(request.tags),
        run_config=dict(request.run_config),
    ).success


def test_a_source_gets_one_run_for_each_thing_that_it_asks_for(maps: DagsterWorld):
    assert requested(tick(maps)) == [("read_image_headers", "maps"), ("make_thumbnails", "maps")]


def test_a_source_that_asks_for_nothing_is_left_alone(maps: DagsterWorld):
    update_source(maps.catalog, "maps", "too expensive", derive=())

    data = tick(maps)

    assert requested(data) == []
    assert data.skip_message == "Every source has what it asks for."


def test_after_the_runs_come_the_checks_once_and_then_silence(maps: DagsterWorld):
    first = tick(maps)
    for request in first.run_requests or []:
        carry_out(maps, request)

    second = tick(maps, first.cursor)
    third = tick(maps, second.cursor)

    assert requested(second) == [("check_images", None)]
    carry_out(maps, (second.run_requests or [])[0])
    assert requested(third) == []


def test_an_arrival_is_asked_for_as_soon_as_the_index_has_it(maps: DagsterWorld, put_objects):
    first = tick(maps)
    for request in first.run_requests or []:
        carry_out(maps, request)
    second = tick(maps, first.cursor)
    put_objects("maps/3.jpg", body=JPEG)

    assert requested(tick(maps, second.cursor)) == []
    refresh_index(maps.catalog, "maps")

    assert requested(tick(maps, second.cursor)) == [
        ("read_image_headers", "maps"),
        ("make_thumbnails", "maps"),
    ]


@pytest.mark.parametrize("status", [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
def test_there_is_at_most_one_run_for_an_asset_and_source(maps: DagsterWorld, status):
    tick(maps)
    job = maps.repository.get_job("make_thumbnails")
    maps.instance.create_run_for_job(job, status=status, tags={"dagster/partition": "maps"})

    assert requested(tick(maps)) == [("read_image_headers", "maps")]


def test_a_run_that_has_waited_long_is_not_forgotten(maps: DagsterWorld):
    tick(maps)
    job = maps.repository.get_job("make_thumbnails")
    of_maps = {"dagster/partition": "maps"}
    maps.instance.create_run_for_job(job, status=DagsterRunStatus.STARTED, tags=of_maps)
    refresh = maps.repository.get_job("refresh_index")
    for _ in range(45):
        maps.instance.create_run_for_job(refresh, status=DagsterRunStatus.SUCCESS, tags=of_maps)

    assert requested(tick(maps)) == [("read_image_headers", "maps")]


def test_a_refresh_of_the_index_does_not_wait_for_thumbnails(maps: DagsterWorld, put_objects):
    tick(maps)
    job = maps.repository.get_job("make_thumbnails")
    running = DagsterRunStatus.STARTED
    maps.instance.create_run_for_job(job, status=running, tags={"dagster/partition": "maps"})
    put_objects("maps/3.jpg", body=JPEG)

    data = maps.tick()

    assert [request.partition_key for request in data.run_requests or []] == ["maps"]


def test_objects_that_s3_does_not_give_are_not_asked_for_day_and_night(
    maps: DagsterWorld, bucket, s3
):
    s3.delete_object(Bucket=bucket, Key="maps/2.jpg")
    first = tick(maps)
    for request in first.run_requests or []:
        carry_out(maps, request)

    assert requested(tick(maps, first.cursor)) == [("check_images", None)]


def test_a_catalog_that_cannot_be_reached_is_said(maps: DagsterWorld, monkeypatch):
    def unreachable(_):
        raise Unreachable("The endpoint does not answer.", hint="Check it.")

    monkeypatch.setattr(missing_derivatives, "read_registry", unreachable)

    assert tick(maps).skip_message == "The endpoint does not answer. Check it."


def test_a_damaged_registration_is_said_and_stops_no_other_source(maps: DagsterWorld):
    maps.catalog.documents.put("sources/broken.json", b"not json")

    assert len(requested(tick(maps))) == 2
    update_source(maps.catalog, "maps", "enough", derive=())
    assert "sources/broken.json" in (tick(maps).skip_message or "")
