import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    DagsterInstance,
    ExecuteInProcessResult,
    In,
    JobDefinition,
    MaterializeResult,
    Nothing,
    ReexecutionOptions,
    asset,
    execute_job,
    job,
    materialize,
    op,
    reconstructable,
)

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.resources.references import MOST_BYTES, ReferenceIOManager
from s3pipelines.resources.s3 import CatalogS3Resource
from tests.resources import fan_out


@pytest.fixture
def io_manager(catalog: Catalog) -> ReferenceIOManager:
    resource = CatalogResource(s3=CatalogS3Resource(), location=catalog.location.uri)
    return ReferenceIOManager(catalog=resource)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


def _run(
    job: JobDefinition, io_manager: ReferenceIOManager, instance: DagsterInstance
) -> ExecuteInProcessResult:
    return job.execute_in_process(
        resources={"io_manager": io_manager}, instance=instance, raise_on_error=False
    )


def _passing(value: object) -> JobDefinition:
    """A job that passes `value` from one op to the next, which tells whether it arrived."""

    @op
    def give() -> Any:
        return value

    @op
    def take(arrived: Any) -> bool:
        return arrived == value

    @job
    def passing() -> None:
        take(give())

    return passing


def _message(result: ExecuteInProcessResult) -> str:
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    error = failure.step_failure_data.error
    assert error is not None
    return str(error.cause.message if error.cause else error.message)


@pytest.mark.parametrize(
    "value", [{"plan": "p-1", "shards": [1, 2.5, None, True]}, "maps", 7, [], {}, None, "ß\n😀"]
)
def test_a_reference_goes_from_op_to_op_through_the_catalog(
    io_manager: ReferenceIOManager, instance: DagsterInstance, catalog: Catalog, value: object
) -> None:
    result = _run(_passing(value), io_manager, instance)
    assert result.success
    assert result.output_for_node("take") is True
    body = catalog.documents.read(f"runs/{result.run_id}/give/result.json").body
    assert json.loads(body) == value


def test_the_outputs_of_two_runs_are_kept_apart(
    io_manager: ReferenceIOManager, instance: DagsterInstance, catalog: Catalog
) -> None:
    runs = [_run(_passing(value), io_manager, instance) for value in ("one", "two")]
    assert [run.output_for_node("take") for run in runs] == [True, True]
    assert len({name.split("/")[1] for name in catalog.documents.names("runs/")}) == 2


@pytest.mark.parametrize("length", [MOST_BYTES - 2, MOST_BYTES - 1])
def test_data_is_no_reference(
    io_manager: ReferenceIOManager, instance: DagsterInstance, catalog: Catalog, length: int
) -> None:
    result = _run(_passing("x" * length), io_manager, instance)
    assert result.success == (length + 2 <= MOST_BYTES)
    if not result.success:
        assert "The output of step 'give' has 65,537 bytes." in _message(result)
        assert catalog.documents.names("runs/") == []


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), float("nan")])
def test_what_is_no_json_is_refused_by_the_step_that_made_it(
    io_manager: ReferenceIOManager, instance: DagsterInstance, value: object
) -> None:
    result = _run(_passing(value), io_manager, instance)
    assert not result.success
    assert "The output of step 'give' is no JSON value" in _message(result)


@pytest.fixture
def fan_out_folder(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(fan_out.FOLDER, str(tmp_path))
    monkeypatch.setenv(fan_out.CATALOG, catalog.location.uri)
    return tmp_path


def test_shards_are_handed_out_and_collected(
    fan_out_folder: Path, instance: DagsterInstance, catalog: Catalog
) -> None:
    result = fan_out.fan_out().execute_in_process(instance=instance)
    assert result.output_for_node("collect") == 30
    names = [name.partition(f"{result.run_id}/")[2] for name in catalog.documents.names("runs/")]
    assert names == [
        "collect/result.json",
        "plan/result/s0.json",
        "plan/result/s1.json",
        "plan/result/s2.json",
        "work[s0]/result.json",
        "work[s1]/result.json",
        "work[s2]/result.json",
    ]


def test_a_run_that_failed_goes_on_from_what_its_parents_left(
    s3_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On S3 only: Dagster loads a job once in a process, with the catalog that it had then.
    monkeypatch.setenv(fan_out.FOLDER, str(tmp_path))
    monkeypatch.setenv(fan_out.CATALOG, s3_catalog.location.uri)
    for number in (0, 2):
        (tmp_path / f"fails {number}").touch()
    job = reconstructable(fan_out.fan_out)
    ran = tmp_path / "ran"
    with DagsterInstance.local_temp() as instance:
        result = execute_job(job, instance)
        assert not result.success
        for mended, expected in ((0, ["work 0", "work 2"]), (2, ["work 2", "collect"])):
            (tmp_path / f"fails {mended}").unlink()
            ran.unlink()
            options = ReexecutionOptions.from_failure(result.run_id, instance)
            result = execute_job(job, instance, reexecution_options=options)
            assert sorted(ran.read_text().splitlines()) == sorted(expected)
        assert result.success
    # Shard 1 ran in the first run, shard 0 in the second, shard 2 in the third.
    body = s3_catalog.documents.read(f"runs/{result.run_id}/collect/result.json").body
    assert body == b"30"


def test_ops_that_only_wait_for_each_other_pass_nothing(
    io_manager: ReferenceIOManager, instance: DagsterInstance
) -> None:
    @op
    def first() -> None:
        pass

    @op(ins={"start": In(Nothing)})
    def second() -> str:
        return "done"

    @job
    def waiting() -> None:
        second(start=first())

    result = _run(waiting, io_manager, instance)
    assert result.success
    assert result.output_for_node("second") == "done"


def test_assets_that_return_nothing_write_nothing(
    io_manager: ReferenceIOManager, instance: DagsterInstance, catalog: Catalog
) -> None:
    @asset
    def upstream() -> None:
        pass

    @asset(deps=[upstream])
    def downstream() -> MaterializeResult:
        return MaterializeResult(metadata={"rows": 1})

    result = materialize(
        [upstream, downstream], resources={"io_manager": io_manager}, instance=instance
    )
    assert result.success
    assert catalog.documents.names("runs/") == []
