"""The sensor `upload_events` and the job that it requests, from a message to a thumbnail."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from dagster import AssetKey, DagsterRunStatus, RunRequest

from s3pipelines.core.detection import pending
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.errors import Unreachable
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, get_source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.queues import sqs_client
from s3pipelines.sensors import upload_events
from tests.core.detection.notices import record, straight
from tests.core.imaging.pictures import file_of, quadrants
from tests.core.index.hinting import indexed, kinds
from tests.dagster_world import DagsterWorld, dagster_world

JPEG = file_of(quadrants(), "JPEG")


@pytest.fixture
def send(local_catalog, bucket):
    """Sends events about keys to a queue of the test's own."""
    sqs = sqs_client(Access())
    url = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]

    def send_events(*keys: str) -> None:
        for key in keys:
            body = straight(record(bucket, key, sequencer=uuid.uuid4().hex))
            sqs.send_message(QueueUrl=url, MessageBody=body)

    send_events.url = url  # pyright: ignore[reportFunctionMemberAccess]
    return send_events


@pytest.fixture
def maps(local_catalog, bucket, put_objects, send):
    """A world with a queue, and a source `maps` of two objects that are indexed."""
    put_objects("maps/1", "maps/2")
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    refresh_index(local_catalog, "maps")
    with dagster_world(local_catalog, upload_queue_url=send.url) as world:
        yield world


def tick(world: DagsterWorld):
    return world.tick(name="upload_events")


def carry_out(world: DagsterWorld, request: RunRequest):
    return world.run(
        request.job_name or "",
        partition_key=request.partition_key,
        run_config=request.run_config,
        asset_selection=request.asset_selection,
        tags=request.tags,
    )


def requested(world: DagsterWorld) -> RunRequest:
    (request,) = tick(world).run_requests or []
    return request


def test_events_become_one_run_that_takes_them_in_without_listing(
    maps: DagsterWorld, put_objects, send, monkeypatch
):
    put_objects("maps/3", "maps/4", "maps/1", body=b"12345")
    send("maps/3", "maps/4", "maps/1", "maps/1")

    request = requested(maps)

    monkeypatch.setattr("s3pipelines.core.index.spool.list_parts", None)
    assert request.partition_key == "maps"
    assert carry_out(maps, request).success
    assert kinds(maps.catalog, "maps") == [
        ("maps/1", "overwritten"),
        ("maps/3", "created"),
        ("maps/4", "created"),
    ]
    assert tick(maps).skip_message == "No change is waiting."


def test_only_what_the_source_wants_on_arrival_is_made_of_the_batch(
    local_catalog, bucket, put_objects, send
):
    put_objects("maps/old.jpg", body=JPEG)
    create_source(local_catalog, "maps", f"s3://{bucket}/maps", derive=("headers",))
    refresh_index(local_catalog, "maps")
    with dagster_world(local_catalog, upload_queue_url=send.url) as world:
        put_objects("maps/new.jpg", body=JPEG)
        send("maps/new.jpg")
        request = requested(world)

        result = carry_out(world, request)

        assert [key.to_string() for key in request.asset_selection or []] == [
            '["object_index"]',
            '["image_headers"]',
        ]
        event = result.asset_materializations_for_node("image_headers")[0]
        assert event.metadata["made"].value == 1, "the backfill of the old one is not its work"


@pytest.mark.parametrize(("when", "made"), [("on-arrival", ["pyramids"]), ("scheduled", [])])
def test_pyramids_are_made_of_the_batch_only_where_they_are_wanted_on_arrival(
    local_catalog, bucket, put_objects, send, when, made
):
    create_source(local_catalog, "maps", f"s3://{bucket}/maps", derive=("pyramids",), pyramids=when)
    refresh_index(local_catalog, "maps")
    with dagster_world(local_catalog, upload_queue_url=send.url) as world:
        put_objects("maps/new.jpg", body=JPEG)
        send("maps/new.jpg")
        request = requested(world)

        result = carry_out(world, request)

        assert [key.path[-1] for key in request.asset_selection or []] == ["object_index", *made]
        for name in made:
            event = result.asset_materializations_for_node(name)[0]
            assert event.metadata["made"].value == 1


def test_a_failed_batch_is_requested_again_under_another_key(maps: DagsterWorld, send, monkeypatch):
    send("maps/1")
    first = requested(maps)
    job = maps.repository.get_job("process_uploads")
    tags = {"dagster/partition": "maps"}
    maps.instance.create_run_for_job(job, status=DagsterRunStatus.FAILURE, tags=tags)
    later = datetime.now(UTC) + timedelta(hours=2)
    monkeypatch.setattr("s3pipelines.sensors.batches.datetime", _at(later))

    second = requested(maps)

    assert (first.run_key or "").removesuffix("/1") == (second.run_key or "").removesuffix("/2")


def _at(moment: datetime) -> type[datetime]:
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return moment

    return Clock


def test_while_a_run_is_under_way_events_are_durable_and_wait(maps: DagsterWorld, send):
    job = maps.repository.get_job("process_uploads")
    tags = {"dagster/partition": "maps"}
    maps.instance.create_run_for_job(job, status=DagsterRunStatus.STARTED, tags=tags)
    send("maps/1", "maps/2")

    data = tick(maps)

    assert data.run_requests == []
    assert data.skip_message == "maps: a run is queued or running"
    waiting = read_pending(maps.catalog, get_source(maps.catalog, "maps"))
    assert waiting is not None
    assert waiting.hints == 2


def test_a_nightly_listing_that_is_under_way_holds_nobody_up(maps: DagsterWorld, send):
    job = maps.repository.get_job("refresh_index")
    tags = {"dagster/partition": "maps"}
    maps.instance.create_run_for_job(job, status=DagsterRunStatus.STARTED, tags=tags)
    send("maps/1")

    assert requested(maps).partition_key == "maps"


def test_two_sensors_at_the_same_moment_request_one_run(maps: DagsterWorld, send):
    send("maps/1")

    assert [len(tick(maps).run_requests or []) for _ in range(2)] == [1, 0]


def test_a_minimum_age_makes_few_runs_of_a_burst(local_catalog, bucket, send):
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    settings = {"upload_queue_url": send.url, "batch_age_s": 3600, "batch_changes": 3}
    with dagster_world(local_catalog, **settings) as world:
        send("maps/1", "maps/2")
        assert tick(world).run_requests == []
        send("maps/3")
        assert len(tick(world).run_requests or []) == 1


def test_a_damaged_note_of_what_is_pending_is_no_end(maps: DagsterWorld, send):
    maps.catalog.documents.put(pending.pending_document("maps"), b"not json")
    send("maps/1")

    assert requested(maps).partition_key == "maps"


def test_what_arrived_is_reported_on_the_uploads(maps: DagsterWorld, send):
    send("maps/1", "elsewhere/2")

    (event,) = tick(maps).asset_events

    assert (event.asset_key, event.partition) == (AssetKey("uploads"), "maps")
    assert event.metadata["events"].value == 1
    assert event.metadata["queue_depth"].value == 0


def test_events_of_no_source_are_counted_in_what_the_tick_says(maps: DagsterWorld, send):
    send("elsewhere/1", "elsewhere/2")

    assert tick(maps).skip_message == "2 changes of no source"


def test_without_a_queue_the_sensor_rests(world: DagsterWorld):
    assert tick(world).skip_message == "No change is waiting."


def test_a_catalog_that_cannot_be_reached_is_said(maps: DagsterWorld, monkeypatch):
    def unreachable(_):
        raise Unreachable("The endpoint does not answer.", hint="Check it.")

    monkeypatch.setattr(upload_events, "read_registry", unreachable)

    assert tick(maps).skip_message == "The endpoint does not answer. Check it."


def test_a_launch_by_hand_takes_everything_in(maps: DagsterWorld, put_objects, send):
    put_objects("maps/3")
    tick(maps)  # Adds the partition.

    assert maps.run("process_uploads", partition_key="maps").success

    assert "maps/3" in indexed(maps.catalog, "maps")
