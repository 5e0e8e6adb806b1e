"""The jobs that make, configure and delete buckets, as the Launchpad runs them."""

import uuid
from typing import Any

import pytest
from dagster import DagsterEventType, ExecuteInProcessResult

from s3pipelines.core.sources.registry import create_source
from tests.dagster_world import DagsterWorld

OPS = {
    "create_bucket": "make_bucket",
    "configure_bucket": "configure",
    "delete_bucket": "remove_bucket",
    "abort_uploads": "end_uploads",
}


def launch(world: DagsterWorld, job: str, **config: Any) -> ExecuteInProcessResult:
    return world.run(job, run_config={"ops": {OPS[job]: {"config": config}}})


def shown(result: ExecuteInProcessResult) -> dict[str, Any]:
    [output] = [e for e in result.all_events if e.event_type is DagsterEventType.STEP_OUTPUT]
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


def error(result: ExecuteInProcessResult) -> str:
    [failed] = [e for e in result.all_events if e.event_type is DagsterEventType.STEP_FAILURE]
    assert failed.step_failure_data.error is not None
    return failed.step_failure_data.error.message


def _is_there(s3, bucket: str) -> bool:
    return bucket in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]


def test_create_bucket_makes_a_closed_bucket_once(world: DagsterWorld, s3):
    name = f"new-{uuid.uuid4().hex[:12]}"

    first = launch(world, "create_bucket", name=name, versioning=True)
    again = launch(world, "create_bucket", name=name, versioning=True)

    assert (shown(first)["made"], shown(again)["made"]) == (True, False)
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"


def test_configure_bucket_shows_what_differs_and_writes_it_only_when_told(
    world: DagsterWorld, s3, bucket: str
):
    settings = {"tags": {"a": "b"}, "cors": None, "versioning": "enabled"}

    looked = launch(world, "configure_bucket", bucket=bucket, settings=settings)

    assert (shown(looked)["differences"], shown(looked)["applied"]) == (2, 0)
    assert "+ a: b" in shown(looked)["difference"]
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    done = launch(world, "configure_bucket", bucket=bucket, settings=settings, apply=True)
    assert (shown(done)["differences"], shown(done)["applied"]) == (2, 2)
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert shown(launch(world, "configure_bucket", bucket=bucket, settings=settings))[
        "difference"
    ] == ("All is as wanted.")


def test_configure_bucket_reaches_the_bucket_of_a_source(world: DagsterWorld, s3, bucket: str):
    create_source(world.catalog, "maps", f"s3://{bucket}/maps")

    done = launch(
        world, "configure_bucket", source="maps", settings={"tags": {"a": "b"}}, apply=True
    )

    assert done.success
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "b"}]


def test_delete_bucket_tells_what_would_go_and_deletes_it_only_when_told(
    world: DagsterWorld, s3, bucket: str, put_objects
):
    put_objects("a", "b")

    looked = launch(world, "delete_bucket", bucket=bucket, with_contents=True)

    assert (shown(looked)["objects"], shown(looked)["size_bytes"]) == (2, 6)
    assert _is_there(s3, bucket)
    done = launch(world, "delete_bucket", bucket=bucket, with_contents=True, apply=True)
    assert shown(done)["deleted_versions"] == 2
    assert not _is_there(s3, bucket)


def test_abort_uploads_counts_and_calls_off_only_when_told(world: DagsterWorld, s3, bucket: str):
    # moto says of each upload that it was begun in 2010.
    s3.create_multipart_upload(Bucket=bucket, Key="never finished")

    looked = launch(world, "abort_uploads", bucket=bucket)

    assert shown(looked)["uploads"] == 1
    assert len(s3.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1
    assert shown(launch(world, "abort_uploads", bucket=bucket, apply=True))["aborted"] == 1
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize(
    ("job", "config", "line"),
    [
        ("create_bucket", {"name": "BAD"}, "it has capitals"),
        ("create_bucket", {"name": "bucket", "encryption": "rot13"}, "encryption.algorithm"),
        ("configure_bucket", {"bucket": "b12", "settings": {"tag": {}}}, "Did you mean 'tags'?"),
        ("configure_bucket", {"settings": {"tags": {}}}, "Name either a bucket or a source."),
        ("delete_bucket", {"bucket": "BUCKET", "apply": True}, "is not empty"),
        ("delete_bucket", {"bucket": "BUCKET", "with_contents": True}, "--even-though source:maps"),
        ("abort_uploads", {"bucket": "BUCKET", "older_than": "1m"}, "may well be in progress"),
        ("abort_uploads", {"bucket": "abc/d"}, "is not the name of a bucket"),
    ],
)
def test_what_is_refused_says_why(
    world: DagsterWorld, s3, bucket: str, put_objects, job: str, config: dict[str, Any], line: str
):
    put_objects("maps/a")
    create_source(world.catalog, "maps", f"s3://{bucket}/maps")
    named = {n: bucket if value == "BUCKET" else value for n, value in config.items()}

    refused = launch(world, job, **named)

    assert not refused.success
    assert line in error(refused)
    assert _is_there(s3, bucket)
