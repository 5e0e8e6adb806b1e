"""The jobs and schedules, as the Launchpad and the daemon start them."""

from datetime import UTC, datetime

import pytest
from dagster import DagsterEventType, TableMetadataValue

from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, get_source
from tests.dagster_world import DagsterWorld


def register(world: DagsterWorld, **config: object):
    return world.run("register_source", run_config={"ops": {"register": {"config": config}}})


def test_register_source_registers_and_adds_the_partition(world: DagsterWorld, bucket):
    result = register(world, id="maps", s3_path=f"s3://{bucket}/maps", description="Old maps.")

    assert result.success
    assert get_source(world.catalog, "maps").description == "Old maps."
    assert list(world.instance.get_dynamic_partitions("sources")) == ["maps"]


def test_register_source_leaves_its_output_as_a_small_reference_in_the_catalog(
    world: DagsterWorld, bucket
):
    result = register(world, id="maps", s3_path=f"s3://{bucket}/maps")

    (name,) = world.catalog.documents.names(f"runs/{result.run_id}/")
    assert world.catalog.documents.read(name).body == b'"maps"'


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"id": "NOT AN ID", "s3_path": "s3://some-bucket"}, "is not a source id"),
        ({"id": "maps", "s3_path": "https://example.org"}, "Write s3://BUCKET/PREFIX."),
        ({"id": "maps", "s3_path": "s3://no-such-bucket-here"}, "There is no bucket"),
        ({"id": "maps", "s3_path": "s3://{bucket}", "derive": ["cakes"]}, "'derive"),
    ],
)
def test_register_source_refuses_with_a_clear_line(world: DagsterWorld, bucket, config, line):
    config["s3_path"] = config["s3_path"].format(bucket=bucket)

    result = register(world, **config)

    assert not result.success
    failures = [e for e in result.all_events if e.event_type is DagsterEventType.STEP_FAILURE]
    error = failures[0].step_failure_data.error
    assert error is not None
    assert line in error.message
    assert world.catalog.documents.names("sources/") == []


def test_the_nightly_reindex_requests_one_run_per_source_and_night(world: DagsterWorld, bucket):
    for name in ("a", "b"):
        create_source(world.catalog, name, f"s3://{bucket}/{name}")
        world.instance.add_dynamic_partitions("sources", [name])
    night = datetime(2026, 1, 2, 2, 0, tzinfo=UTC)

    first = world.schedule("nightly_reindex", scheduled_execution_time=night)
    again = world.schedule("nightly_reindex", scheduled_execution_time=night)

    assert [request.partition_key for request in first.run_requests] == ["a", "b"]
    assert [r.run_key for r in first.run_requests] == [r.run_key for r in again.run_requests]


def test_every_job_says_what_it_does_and_needs_no_more_than_it_asks_for(world: DagsterWorld):
    jobs = [job for job in world.repository.get_all_jobs() if not job.name.startswith("__")]

    assert {job.name for job in jobs} == {
        "process_uploads",
        "refresh_index",
        "check_index",
        "register_source",
        "read_image_headers",
        "make_thumbnails",
        "make_pyramids",
        "rerun_images",
        "remove_orphan_files",
        "check_images",
        "optimize_catalog",
        "audit_source",
        "copy_objects",
        "move_objects",
        "delete_objects",
        "tag_objects",
        "change_storage_class",
        "change_metadata",
        "restore_objects",
        "convert_images",
        "apply_plan",
        "undo_plan",
        "create_bucket",
        "configure_bucket",
        "delete_bucket",
        "abort_uploads",
    }
    assert all(job.description for job in jobs)


def test_optimize_catalog_needs_no_configuration_and_tells_what_it_did(
    world: DagsterWorld, bucket, put_objects
):
    put_objects("m/a", "m/b")
    create_source(world.catalog, "maps", f"s3://{bucket}/m")
    refresh_index(world.catalog, "maps")

    result = world.run("optimize_catalog")

    assert result.success
    (output,) = (e for e in result.all_events if e.event_type is DagsterEventType.STEP_OUTPUT)
    metadata = output.step_output_data.metadata
    assert metadata["failed"].value == 0
    table = metadata["parts"]
    assert isinstance(table, TableMetadataValue)
    parts = [record.data for record in table.records]
    assert ("objects", "maps") in [(part["table"], part["source"]) for part in parts]


def test_optimize_catalog_fails_with_the_name_of_the_source_that_it_could_not_do(
    world: DagsterWorld, bucket
):
    create_source(world.catalog, "maps", f"s3://{bucket}")
    world.catalog.documents.put("sources/torn.json", b"{")

    result = world.run("optimize_catalog")

    assert not result.success
    failures = [e for e in result.all_events if e.event_type is DagsterEventType.STEP_FAILURE]
    error = failures[0].step_failure_data.error
    assert error is not None
    assert "'torn'" in error.message
    assert open_table(world.catalog, OBJECTS).version() == 0, "the other source was done"


def test_the_nightly_upkeep_is_one_run_a_night(world: DagsterWorld):
    night = datetime(2026, 1, 2, 3, 30, tzinfo=UTC)

    first = world.schedule("nightly_optimize", scheduled_execution_time=night)
    again = world.schedule("nightly_optimize", scheduled_execution_time=night)

    assert len(first.run_requests) == 1
    assert [r.run_key for r in first.run_requests] == [r.run_key for r in again.run_requests]
