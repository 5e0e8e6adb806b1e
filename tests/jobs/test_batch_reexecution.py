"""A batch job of which one shard failed, executed again from there."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from dagster import (
    DagsterInstance,
    JobDefinition,
    ReexecutionOptions,
    execute_job,
    reconstructable,
)

from s3pipelines.core.batch import manifests
from s3pipelines.core.batch.actions.delete import DeleteAction, DeleteParams
from s3pipelines.core.batch.planning import Request, make_plan
from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.report import report_on
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.definitions import build_definitions

KEYS = [f"maps/{name}.tif" for name in "abcdef"]


def apply_plan_of_the_environment() -> JobDefinition:
    """The job as Dagster finds it again: by the settings of the environment."""
    return build_definitions().get_repository_def().get_job("apply_plan")


@pytest.fixture
def catalog(s3_catalog: Catalog, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """A catalog on S3 and a trash, for the jobs, too."""
    trash = f"s3://{bucket}/trash"
    monkeypatch.setenv("S3PIPELINES_CATALOG", s3_catalog.location.uri)
    monkeypatch.setenv("S3PIPELINES_TRASH", trash)
    monkeypatch.setenv("S3PIPELINES_EXECUTOR", "in_process")
    return replace(s3_catalog, trash=trash)


@pytest.fixture
def plan(catalog: Catalog, bucket: str, put_objects: Any, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The deletion of six objects, in three shards."""
    monkeypatch.setattr(manifests, "_LEAST_ROWS", 2)
    put_objects(*KEYS)
    create_source(catalog, "maps", f"s3://{bucket}/maps")
    refresh_index(catalog, "maps")
    made = make_plan(catalog, Request("maps", DeleteAction(DeleteParams(permanent=False))))
    assert len(made.shards) == 3
    return made


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


@pytest.mark.slow
def test_only_the_shard_that_failed_is_executed_again_and_each_object_ends_once(
    catalog: Catalog, plan: Plan, instance: DagsterInstance, s3: Any, bucket: str
):
    assert isinstance(catalog.location, S3Location)
    state = catalog.location
    # What is noted between the copy into the trash and the deletion: the shard stops half-way.
    deny_writes(s3, state.bucket, f"{state.prefix}plan_files/{plan.id}/journal/00001/*-001.json")
    job = reconstructable(apply_plan_of_the_environment)
    config = {"ops": {"open_plan": {"config": {"plan_id": plan.id}}}}
    with execute_job(job, instance, run_config=config) as first:
        assert steps(first) == {
            "open_plan": True,
            "apply_shard[00000]": True,
            "apply_shard[00001]": False,
            "apply_shard[00002]": True,
        }
    assert left(s3, bucket) == KEYS[2:4]
    assert (report_on(catalog, plan.id).done, report_on(catalog, plan.id).left) == (4, 2)
    s3.delete_bucket_policy(Bucket=state.bucket)

    options = ReexecutionOptions.from_failure(first.run_id, instance)
    with execute_job(job, instance, reexecution_options=options) as second:
        assert steps(second) == {"apply_shard[00001]": True, "report_plan": True}

    assert left(s3, bucket) == []
    assert rows_of(catalog, plan) == [(key, "done") for key in KEYS]


def deny_writes(s3: Any, bucket: str, key: str) -> None:
    """Nobody may write to a key any more, or to all keys of a pattern."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/{key}",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def steps(result: Any) -> dict[str, bool]:
    """The steps that were executed, and whether each succeeded."""
    ended = [event for event in result.all_events if event.is_step_success or event.is_step_failure]
    return {event.step_key: event.is_step_success for event in ended}


def left(s3: Any, bucket: str) -> list[str]:
    found = s3.list_objects_v2(Bucket=bucket, Prefix="maps/").get("Contents", [])
    return [entry["Key"] for entry in found]


def rows_of(catalog: Catalog, plan: Plan) -> list[tuple[str, str]]:
    """Every row that was ever written of the plan: key and outcome."""
    table = sql_text(catalog.table_uri("operations"))
    with connect(catalog, delta=True) as connection:
        query = f"SELECT key, outcome FROM delta_scan({table}) WHERE plan_id = ? ORDER BY number"
        return connection.execute(query, [plan.id]).fetchall()
