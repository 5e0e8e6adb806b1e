"""The batch jobs, as the Launchpad starts them."""

from collections.abc import Iterator
from typing import Any

import pytest
from dagster import DagsterEventType, ExecuteInProcessResult

from s3pipelines.core.batch.plans import list_plans
from s3pipelines.core.batch.report import report_on
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from tests.core.imaging.pictures import file_of, quadrants
from tests.dagster_world import DagsterWorld, dagster_world


@pytest.fixture
def world(local_catalog: Catalog, s3, bucket: str) -> Iterator[DagsterWorld]:
    """A source of three objects, and a trash on S3."""
    with dagster_world(local_catalog, trash=f"s3://{bucket}/trash") as made:
        for name in "abc":
            s3.put_object(Bucket=bucket, Key=f"maps/{name}.tif", Body=name.encode())
        create_source(made.catalog, "maps", f"s3://{bucket}/maps")
        refresh_index(made.catalog, "maps")
        yield made


def keys(s3: Any, bucket: str, prefix: str) -> list[str]:
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [entry["Key"] for entry in found]


def run(world: DagsterWorld, job: str, op: str, **config: Any) -> ExecuteInProcessResult:
    return world.run(job, run_config={"ops": {op: {"config": config}}})


def error_of(result: ExecuteInProcessResult) -> str:
    failures = [e for e in result.all_events if e.event_type is DagsterEventType.STEP_FAILURE]
    error = failures[0].step_failure_data.error
    assert error is not None
    return error.message


def test_copies_are_made_at_once(world: DagsterWorld, s3, bucket):
    told = {"source": "maps", "to": f"s3://{bucket}/to", "on_existing": "skip", "glob": "[ab]*"}

    result = run(world, "copy_objects", "plan_copy_objects", **told)

    assert result.success
    assert keys(s3, bucket, "to/") == ["to/a.tif", "to/b.tif"]
    metadata = result.output_for_node("plan_copy_objects", "plan")
    assert report_on(world.catalog, metadata).done == 2


def test_a_deletion_is_planned_applied_and_undone_one_after_the_other(
    world: DagsterWorld, s3, bucket
):
    planned = run(world, "delete_objects", "plan_delete_objects", source="maps")
    assert planned.success
    assert len(keys(s3, bucket, "maps/")) == 3
    (plan,) = list_plans(world.catalog, 10)

    assert run(world, "apply_plan", "open_plan", plan_id=plan.id).success
    assert keys(s3, bucket, "maps/") == []

    only_made = run(world, "undo_plan", "plan_undo", plan_id=plan.id)
    assert only_made.success
    assert keys(s3, bucket, "maps/") == []

    assert run(world, "undo_plan", "plan_undo", plan_id=plan.id, apply=True).success
    assert len(keys(s3, bucket, "maps/")) == 3


def test_objects_that_fail_fail_the_run_at_its_end_and_can_be_tried_again(
    world: DagsterWorld, s3, bucket
):
    s3.put_object(Bucket=bucket, Key="maps/b.tif", Body=b"newer")
    told = {"source": "maps", "to": f"s3://{bucket}/to", "apply": True}

    result = run(world, "move_objects", "plan_move_objects", **told)

    assert not result.success
    assert "1 object failed; the others are done" in error_of(result)
    assert keys(s3, bucket, "maps/") == ["maps/b.tif"]
    (plan,) = list_plans(world.catalog, 10)
    s3.put_object(Bucket=bucket, Key="maps/b.tif", Body=b"b")
    assert run(world, "apply_plan", "open_plan", plan_id=plan.id).success
    assert keys(s3, bucket, "maps/") == []


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"source": "nowhere"}, "There is no source 'nowhere'"),
        ({"source": "maps", "glob": "*.png"}, "The selection is empty"),
        ({"source": "maps", "where": "no_such_column > 1"}, "no_such_column"),
    ],
)
def test_what_cannot_be_planned_fails_with_a_clear_line(world: DagsterWorld, config, line):
    result = run(world, "delete_objects", "plan_delete_objects", **config)

    assert not result.success
    assert line in error_of(result)
    assert list_plans(world.catalog, 10) == []


def test_the_launchpad_tells_what_each_field_is_and_which_values_it_takes(world: DagsterWorld):
    node = world.repository.get_job("copy_objects").graph.node_named("plan_copy_objects")
    config: Any = node.definition.config_schema
    fields = config.as_field().config_type.fields

    assert fields["to"].description == "s3://BUCKET/PREFIX that they go to."
    assert {
        value.config_value for value in fields["on_existing"].config_type.inner_type.enum_values
    } == {
        "fail",
        "skip",
        "overwrite",
        "if_newer",
    }
    assert fields["apply"].default_value is True


def test_images_are_converted_by_a_recipe_once_the_plan_is_applied(world: DagsterWorld, s3, bucket):
    s3.put_object(Bucket=bucket, Key="maps/a.tif", Body=file_of(quadrants(), "TIFF"))
    refresh_index(world.catalog, "maps")
    recipe = {"steps": [{"resize": {"percent": 50}}], "output": {"format": "png"}}
    told = {"source": "maps", "to": f"s3://{bucket}/to", "glob": "a.*", "recipe": recipe}

    assert run(world, "convert_images", "plan_convert_images", **told).success
    assert keys(s3, bucket, "to/") == []

    assert run(world, "convert_images", "plan_convert_images", **told, apply=True).success
    assert keys(s3, bucket, "to/") == ["to/a.png"]


def test_a_recipe_that_is_none_is_refused_with_the_place(world: DagsterWorld, bucket):
    recipe = {"steps": [{"resize": {"widht": 50}}], "output": "png"}
    told = {"source": "maps", "to": f"s3://{bucket}/to", "recipe": recipe}

    result = run(world, "convert_images", "plan_convert_images", **told)

    assert not result.success
    assert "did you mean 'width'?" in error_of(result)
    assert list_plans(world.catalog, 10) == []
