"""The partitions of an instance follow the registry of sources."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    AssetCheckKey,
    AssetCheckResult,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    AssetsDefinition,
    DagsterInstance,
    asset,
    asset_check,
    materialize,
)
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from s3pipelines.assets.partitions import SOURCES
from s3pipelines.instance.partitions import (
    PARTITIONS_NAME,
    SOURCE_ASSETS,
    Repair,
    add_source_partition,
    forget_source,
    renew_source_partition,
    repair_partitions,
)

INDEX = AssetKey("object_index")
CHECK = AssetCheckKey(INDEX, "is_there")


@asset(name="object_index", partitions_def=SOURCES)
def indexed() -> None:
    """An asset under the name of a real one."""


@asset_check(asset=indexed, name="is_there", partitions_def=SOURCES)
def is_there() -> AssetCheckResult:
    return AssetCheckResult(passed=True)


@asset(name="object_index", partitions_def=SOURCES)
def failing() -> None:
    raise RuntimeError("no")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        add_source_partition(instance, "birds")
        add_source_partition(instance, "stars")
        yield instance


def run(instance: DagsterInstance, source: str, definition: AssetsDefinition = indexed) -> str:
    parts = [definition, is_there] if definition is indexed else [definition]
    result = materialize(parts, partition_key=source, instance=instance, raise_on_error=False)
    return result.run_id


def report(instance: DagsterInstance, source: str) -> None:
    instance.report_runless_asset_event(AssetMaterialization(INDEX, partition=source))


def shown(instance: DagsterInstance) -> dict[str, set[str]]:
    """What the page of the asset shows of its partitions."""
    status = get_and_update_asset_status_cache_value(instance, INDEX, SOURCES)
    if status is None:
        return {"materialized": set(), "failed": set()}
    return {
        "materialized": set(
            status.deserialize_materialized_partition_subsets(SOURCES).get_partition_keys()
        ),
        "failed": set(status.deserialize_failed_partition_subsets(SOURCES).get_partition_keys()),
    }


def test_what_a_run_materialized_is_forgotten_and_other_partitions_stay(instance):
    run(instance, "birds")
    run(instance, "stars")
    assert shown(instance)["materialized"] == {"birds", "stars"}

    forget_source(instance, "stars")

    assert instance.get_dynamic_partitions(PARTITIONS_NAME) == ["birds"]
    assert instance.get_materialized_partitions(INDEX) == {"birds"}
    assert shown(instance)["materialized"] == {"birds"}


def test_a_forgotten_partition_that_is_added_anew_shows_as_missing(instance):
    report(instance, "birds")
    report(instance, "stars")
    assert shown(instance)["materialized"] == {"birds", "stars"}

    forget_source(instance, "stars")
    add_source_partition(instance, "stars")

    assert shown(instance)["materialized"] == {"birds"}
    assert instance.get_materialized_partitions(INDEX) == {"birds"}


def test_a_new_source_shows_nothing_of_an_older_one_that_was_never_forgotten(instance):
    report(instance, "stars")
    instance.delete_dynamic_partition(PARTITIONS_NAME, "stars")

    renew_source_partition(instance, "stars")

    assert instance.has_dynamic_partition(PARTITIONS_NAME, "stars")
    assert instance.get_materialized_partitions(INDEX) == set()


def test_a_failed_attempt_is_forgotten_too(instance):
    run(instance, "birds")
    run(instance, "stars", failing)
    assert shown(instance)["failed"] == {"stars"}

    renew_source_partition(instance, "stars")

    assert shown(instance)["failed"] == set()
    assert instance.get_latest_planned_materialization_info(INDEX, partition="stars") is None


def test_observations_checks_and_tags_of_the_partition_are_forgotten(instance):
    for source in ("birds", "stars"):
        run(instance, source)
        instance.report_runless_asset_event(AssetObservation(INDEX, partition=source))
    assert partitions_of_checks(instance) == {"birds", "stars"}
    assert len(instance.get_event_tags_for_asset(INDEX)) == 2

    forget_source(instance, "stars")

    observed = instance.fetch_observations(INDEX, limit=10).records
    assert {record.partition_key for record in observed} == {"birds"}
    assert partitions_of_checks(instance) == {"birds"}
    assert len(instance.get_event_tags_for_asset(INDEX)) == 1


def partitions_of_checks(instance: DagsterInstance) -> set[str | None]:
    found = instance.event_log_storage.get_asset_check_partition_info([CHECK])
    return {check.partition_key for check in found}


def test_the_latest_materialization_is_that_of_a_partition_that_is_left(instance):
    first = run(instance, "birds")
    run(instance, "stars")

    forget_source(instance, "stars")

    latest = instance.get_latest_materialization_event(INDEX)
    assert latest is not None
    assert latest.dagster_event.partition == "birds"
    record = instance.get_asset_records([INDEX])[0]
    assert record.asset_entry.last_run_id == first


def test_an_asset_whose_only_partition_was_forgotten_was_never_materialized(instance):
    run(instance, "birds")

    forget_source(instance, "birds")

    assert instance.get_latest_materialization_event(INDEX) is None
    assert shown(instance) == {"materialized": set(), "failed": set()}


def test_assets_of_other_projects_keep_their_partitions(instance):
    foreign = AssetKey("not_ours")
    instance.report_runless_asset_event(AssetMaterialization(foreign, partition="stars"))

    forget_source(instance, "stars")

    assert instance.get_materialized_partitions(foreign) == {"stars"}


def test_the_runs_of_a_forgotten_source_stay(instance):
    run_id = run(instance, "stars")

    forget_source(instance, "stars")

    assert instance.get_run_by_id(run_id) is not None
    assert instance.all_logs(run_id)


def test_forgetting_an_unknown_source_does_nothing(instance):
    report(instance, "birds")

    forget_source(instance, "moons")

    assert instance.get_materialized_partitions(INDEX) == {"birds"}
    assert set(instance.get_dynamic_partitions(PARTITIONS_NAME)) == {"birds", "stars"}


def test_a_repair_adds_what_is_registered_and_removes_what_is_not(instance):
    assert repair_partitions(instance, ["stars", "moons", "ants"]) == Repair(
        added=("ants", "moons"), removed=("birds",)
    )
    assert set(instance.get_dynamic_partitions(PARTITIONS_NAME)) == {"stars", "moons", "ants"}
    assert repair_partitions(instance, ["stars", "moons", "ants"]) == Repair((), ())


def test_a_repair_with_the_wrong_registry_loses_no_history(instance):
    report(instance, "birds")

    repair_partitions(instance, [])
    repair_partitions(instance, ["birds", "stars"])

    assert shown(instance)["materialized"] == {"birds"}


def test_every_asset_with_a_partition_per_source_is_known(moto):
    from s3pipelines.definitions import build_definitions

    graph = build_definitions().resolve_asset_graph()
    by_source = {
        key for key in graph.get_all_asset_keys() if graph.get(key).partitions_def == SOURCES
    }
    assert by_source
    assert by_source <= set(SOURCE_ASSETS)
