"""`audit_source`, `nightly_audit`, and the check that looks at what they found."""

from datetime import UTC, datetime

from dagster import AssetKey, DefaultScheduleStatus, TableMetadataValue

from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from tests.dagster_world import DagsterWorld


def _audit(world: DagsterWorld, **config: object):
    return world.run("audit_source", run_config={"ops": {"audit_objects": {"config": config}}})


def test_an_audit_tells_what_it_read(world: DagsterWorld, bucket, put_objects):
    put_objects("m/a", "m/b", "m/c")
    create_source(world.catalog, "maps", f"s3://{bucket}/m")
    refresh_index(world.catalog, "maps")

    result = _audit(world, source="maps", glob="[ab]", sample=1.0, seed=3, budget_mb=1)

    assert result.success
    (output,) = result.get_step_success_events()
    metadata = result.events_for_node("audit_objects")
    told = next(e for e in metadata if e.is_successful_output).step_output_data.metadata
    assert output.step_key == "audit_objects"
    assert (told["audited"].value, told["read_bytes"].value, told["seed"].value) == (2, 6, 3)


def test_a_missing_object_fails_the_audit_and_the_check(
    world: DagsterWorld, bucket, put_objects, s3
):
    put_objects("m/a", "m/b")
    create_source(world.catalog, "maps", f"s3://{bucket}/m")
    refresh_index(world.catalog, "maps")
    assert _checked(world).passed
    s3.delete_object(Bucket=bucket, Key="m/b")

    result = _audit(world, source="maps")

    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert failure.step_failure_data.user_failure_data is not None
    metadata = failure.step_failure_data.user_failure_data.metadata
    table = metadata["objects"]
    assert isinstance(table, TableMetadataValue)
    assert [(r.data["key"], r.data["outcome"]) for r in table.records] == [("m/b", "missing")]
    assert not _checked(world).passed


def _checked(world: DagsterWorld):
    result = world.run("check_index")
    (found,) = (
        one
        for one in result.get_asset_check_evaluations()
        if one.check_name == "objects_are_intact"
    )
    assert found.asset_key == AssetKey("object_index")
    return found


def test_the_nightly_audit_is_off_and_would_read_some_of_each_source(world: DagsterWorld, bucket):
    for name in ("a", "b"):
        create_source(world.catalog, name, f"s3://{bucket}/{name}")
    night = datetime(2026, 1, 2, 1, 0, tzinfo=UTC)

    asked = world.schedule("nightly_audit", scheduled_execution_time=night)

    schedule = world.repository.get_schedule_def("nightly_audit")
    assert schedule.default_status is DefaultScheduleStatus.STOPPED
    configs = [
        request.run_config["ops"]["audit_objects"]["config"] for request in asked.run_requests
    ]
    assert configs == [{"source": name, "budget_mb": 10_000} for name in ("a", "b")]
    again = world.schedule("nightly_audit", scheduled_execution_time=night)
    assert [one.run_key for one in asked.run_requests] == [
        one.run_key for one in again.run_requests
    ]
