"""`remove_orphan_files`: by default it only counts."""

from dagster import DagsterEventType

from s3pipelines.core.imaging.orphans import orphans_of
from s3pipelines.core.imaging.wishes import Work
from s3pipelines.core.imaging.work import run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from tests.core.imaging.pictures import file_of, quadrants
from tests.dagster_world import DagsterWorld


def remove(world: DagsterWorld, **config: object):
    named = {"ops": {"remove_orphaned": {"config": {"source": "maps", **config}}}}
    result = world.run("remove_orphan_files", run_config=named)
    events = [e for e in result.all_events if e.event_type is DagsterEventType.STEP_OUTPUT]
    return result, events[0].step_output_data.metadata if events else {}


def test_what_is_left_of_deleted_objects_is_counted_and_removed_when_that_is_asked_for(
    world: DagsterWorld, bucket, put_objects, s3
):
    put_objects("m/a.jpg", "m/b.jpg", body=file_of(quadrants(), "JPEG"))
    create_source(world.catalog, "maps", f"s3://{bucket}/m")
    refresh_index(world.catalog, "maps")
    run(world.catalog, Work("maps", "thumbnail"))
    s3.delete_object(Bucket=bucket, Key="m/a.jpg")
    refresh_index(world.catalog, "maps")

    counted, metadata = remove(world)
    assert counted.success
    assert [record.data["files"] for record in metadata["found"].records]  # pyright: ignore[reportAttributeAccessIssue] == [1, 0]
    assert metadata["removed_files"].value == 0

    removed, metadata = remove(world, apply=True, kinds=["thumbnail"])
    assert removed.success
    assert metadata["removed_files"].value == 1
    assert orphans_of(world.catalog, "maps", "thumbnail").files == 0
    refused, _ = remove(world, kinds=["header"])
    assert not refused.success
