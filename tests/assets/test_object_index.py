"""The asset `object_index`, its checks, and what they show in the Dagster UI."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from dagster import AssetKey, DagsterEventType
from deltalake import write_deltalake

from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources import refreshes
from s3pipelines.core.sources.registry import create_source, get_source, update_source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.sql.session import open_session
from tests.core.index.rows import index_keys
from tests.dagster_world import DagsterWorld


@pytest.fixture
def maps(world: DagsterWorld, bucket, put_objects) -> DagsterWorld:
    """A source `maps` of three objects, registered but not indexed."""
    put_objects("maps/1.tif", "maps/2.tif", "maps/note")
    create_source(world.catalog, "maps", f"s3://{bucket}/maps")
    world.instance.add_dynamic_partitions("sources", ["maps"])
    return world


def latest_metadata(world: DagsterWorld) -> dict:
    event = world.instance.get_latest_materialization_event(AssetKey("object_index"))
    assert event is not None
    materialization = event.asset_materialization
    assert materialization is not None
    assert materialization.partition == "maps"
    return {name: value.value for name, value in materialization.metadata.items()}


def evaluations(world: DagsterWorld) -> dict:
    result = world.run("check_index")
    assert result.success
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def test_a_run_indexes_the_source_of_its_partition(maps: DagsterWorld):
    assert maps.run("refresh_index", partition_key="maps").success

    assert index_keys(maps.catalog, "maps") == ["maps/1.tif", "maps/2.tif", "maps/note"]


def test_a_materialization_carries_numbers_that_the_ui_can_plot(maps: DagsterWorld):
    maps.run("refresh_index", partition_key="maps")

    shown = latest_metadata(maps)

    numbers = {name: value for name, value in shown.items() if isinstance(value, int | float)}
    assert numbers.pop("duration_s") > 0
    assert numbers == {
        "dagster/partition_row_count": 3,
        "objects": 3,
        "size_bytes": 9,
        "created": 3,
        "overwritten": 0,
        "transitioned": 0,
        "deleted": 0,
        "waiting_to_settle": 0,
        "repaired": 3,
        "from_the_ledger": 0,
        "listing_requests": 1,
        "table_version": 1,
        "changes_last_hour": 0,
        "oldest_unapplied_s": 0,
    }


def test_a_materialization_has_a_table_of_the_growth_by_day(maps: DagsterWorld):
    maps.run("refresh_index", partition_key="maps")

    (record,) = latest_metadata(maps)["growth_by_day"].records

    today = datetime.now(UTC).date()
    assert record.data["day"] in {str(today), str(today - timedelta(days=1))}
    assert (record.data["objects"], record.data["size_bytes"]) == (3, 9)


def test_a_materialization_has_a_table_by_extension_and_storage_class(maps: DagsterWorld):
    maps.run("refresh_index", partition_key="maps")

    records = latest_metadata(maps)["by_format"].records

    assert [record.data for record in records] == [
        {"extension": "tif", "storage_class": "STANDARD", "objects": 2, "size_bytes": 6},
        {"extension": "(none)", "storage_class": "STANDARD", "objects": 1, "size_bytes": 3},
    ]


def test_the_statements_in_the_metadata_are_ones_that_the_session_answers(maps: DagsterWorld):
    maps.run("refresh_index", partition_key="maps")
    text = latest_metadata(maps)["ask_it"]
    largest, history = re.findall(r'sql "(.*)"', text)

    with open_session(maps.catalog) as session:
        assert session.run(largest).read_all().num_rows == 3
        assert session.run(history).read_all().num_rows == 0


def test_the_asset_declares_its_columns_and_its_lineage(world: DagsterWorld):
    graph = world.repository.asset_graph
    node = graph.get(AssetKey("object_index"))

    columns = node.metadata["dagster/column_schema"].columns
    assert [column.name for column in columns] == OBJECTS.column_names
    assert node.parent_keys == {AssetKey("uploads")}


def test_a_source_that_cannot_be_listed_is_a_failed_run_with_one_clear_line(
    maps: DagsterWorld, s3, bucket
):
    for key in ("1.tif", "2.tif", "note"):
        s3.delete_object(Bucket=bucket, Key=f"maps/{key}")
    s3.delete_bucket(Bucket=bucket)

    result = maps.run("refresh_index", partition_key="maps")

    failure = next(
        event for event in result.all_events if event.event_type is DagsterEventType.STEP_FAILURE
    )
    error = failure.step_failure_data.error
    assert error is not None
    assert not result.success
    assert (
        error.message.strip() == "dagster._core.definitions.events.Failure: "
        f"There is no bucket {bucket!r} at this endpoint. "
        "Check its name and AWS_ENDPOINT_URL_S3, or create it."
    )


def test_all_checks_pass_on_a_fresh_index(maps: DagsterWorld):
    maps.run("refresh_index", partition_key="maps")

    found = evaluations(maps)

    assert {name: check.passed for name, check in found.items()} == {
        "keys_are_unique": True,
        "counts_agree": True,
        "is_fresh": True,
        "missed_events": True,
        "objects_are_intact": True,
    }


def test_the_checks_pass_on_a_catalog_without_sources(world: DagsterWorld):
    assert all(found.passed for found in evaluations(world).values())


def test_a_key_that_is_there_twice_is_found_with_its_source(maps: DagsterWorld):
    maps.run("refresh_index", partition_key="maps")
    table = sql_text(maps.catalog.table_uri("objects"))
    with connect(maps.catalog, delta=True) as duckdb:
        twice = duckdb.execute(f"FROM delta_scan({table}) LIMIT 1").to_arrow_table()
        write_deltalake(
            open_table(maps.catalog, OBJECTS), twice.select(OBJECTS.column_names), mode="append"
        )

    found = evaluations(maps)["keys_are_unique"]

    assert not found.passed
    assert found.description == "Failing: maps"


def test_objects_that_the_index_lacks_are_found_by_counting_afresh(
    maps: DagsterWorld, bucket, put_objects
):
    maps.run("refresh_index", partition_key="maps")
    create_source(maps.catalog, "other", f"s3://{bucket}/other")
    refresh_index(maps.catalog, "other")
    put_objects("maps/3.tif")

    found = evaluations(maps)["counts_agree"]

    assert found.description == "Failing: maps"
    assert found.metadata["findings"].value.records[0].data == {
        "source": "maps",
        "finding": "3 rows in the index, 4 objects on S3",
    }


def test_an_index_that_is_older_than_its_source_wants_is_stale(maps: DagsterWorld):
    maps.run("refresh_index", partition_key="maps")
    assert evaluations(maps)["is_fresh"].passed
    record = refreshes.last_refresh(maps.catalog, get_source(maps.catalog, "maps"))
    assert record is not None
    old = datetime.now(UTC) - timedelta(hours=3)
    refreshes.write_record(maps.catalog, "maps", record.model_copy(update={"listed_at": old}))
    assert evaluations(maps)["is_fresh"].passed
    update_source(maps.catalog, "maps", "it moves fast", fresh_within_hours=2)

    assert evaluations(maps)["is_fresh"].description == "Failing: maps"
