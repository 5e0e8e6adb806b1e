"""Runs whose process is gone are failed at the start, and only those."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from dagster import (
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunsFilter,
)
from dagster._core.events import EngineEventData
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test

from s3pipelines.instance import recovery
from s3pipelines.instance.home import open_instance
from s3pipelines.instance.recovery import RecordedProcess, fail_gone_runs
from tests.instance.sleeping_job import PROGRAM
from tests.services.processes import is_gone, until

ROOT = Path(__file__).parents[2]
STARTED, STARTING = DagsterRunStatus.STARTED, DagsterRunStatus.STARTING


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterInstance]:
    """The instance of a home; to make one takes a second or two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(tmp_path_factory.mktemp("home")))
        with open_instance() as instance:
            yield instance


@pytest.fixture
def instance(home: DagsterInstance) -> Iterator[DagsterInstance]:
    yield home
    for run in home.get_runs():
        home.delete_run(run.run_id)


@pytest.fixture
def dead_pid() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        return process.pid


@contextmanager
def sleeping_run(instance: DagsterInstance, name: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """A run in a session of its own, asleep in its step; its id and its process."""
    with subprocess.Popen([*PROGRAM, name], cwd=ROOT, start_new_session=True) as process:
        try:
            assert until(lambda: bool(steps_of(instance, name)), seconds=60)
            [run] = instance.get_runs(RunsFilter(tags={"test": name}))
            yield run.run_id, process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def steps_of(instance: DagsterInstance, name: str) -> list[int]:
    """The ids of the step processes that a run has recorded."""
    return [
        int(str(entry.get_dagster_event().engine_event_data.metadata["pid"].value))
        for run in instance.get_runs(RunsFilter(tags={"test": name}))
        for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_WORKER_STARTED)
    ]


def status(instance: DagsterInstance, run_id: str) -> DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


@pytest.mark.slow
def test_a_run_whose_process_is_gone_is_failed_at_start_and_a_live_one_is_not(instance):
    with (
        sleeping_run(instance, "killed") as (killed, process),
        sleeping_run(instance, "alive") as (alive, _),
    ):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert status(instance, killed) == STARTED

        assert fail_gone_runs(instance) == [killed]

        assert status(instance, killed) == DagsterRunStatus.FAILURE
        assert status(instance, alive) == STARTED
        assert not is_gone(psutil.Process(steps_of(instance, "alive")[0]))
    failures = instance.all_logs(killed, of_type=DagsterEventType.RUN_FAILURE)
    assert "The process of this run is gone" in (failures[0].get_dagster_event().message or "")


@pytest.mark.slow
def test_a_step_that_outlived_its_run_is_ended(instance):
    with sleeping_run(instance, "beheaded") as (run_id, process):
        step = psutil.Process(steps_of(instance, "beheaded")[0])
        process.kill()
        process.wait()
        assert not is_gone(step)

        assert fail_gone_runs(instance) == [run_id]

        assert is_gone(step)


def make_run(
    instance: DagsterInstance,
    status: DagsterRunStatus,
    pid: int | None = None,
    launcher: Mapping[str, object] | None = None,
) -> DagsterRun:
    """A run that says which process it is, or which code server was to start it."""
    tags = {GRPC_INFO_TAG: json.dumps(launcher)} if launcher else {}
    run = create_run_for_test(instance, "naps", status=status, tags=tags)
    if pid is not None:
        instance.report_engine_event("Started.", run, EngineEventData.in_process(pid))
    return run


@pytest.mark.parametrize("state", [STARTED, STARTING])
def test_a_run_that_has_started_and_is_gone_is_failed(instance, dead_pid, state):
    run = make_run(instance, state, dead_pid)
    assert fail_gone_runs(instance) == [run.run_id]
    assert status(instance, run.run_id) == DagsterRunStatus.FAILURE


def test_a_run_that_was_being_cancelled_is_cancelled(instance, dead_pid):
    run = make_run(instance, DagsterRunStatus.CANCELING, dead_pid)
    assert fail_gone_runs(instance) == [run.run_id]
    assert status(instance, run.run_id) == DagsterRunStatus.CANCELED


def test_a_run_is_alive_as_long_as_one_of_its_processes_is(instance, dead_pid):
    run = make_run(instance, STARTED, dead_pid)
    instance.report_engine_event("Resumed.", run, EngineEventData.in_process(os.getpid()))
    assert fail_gone_runs(instance) == []
    assert status(instance, run.run_id) == STARTED


@pytest.mark.parametrize(
    "state",
    [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE],
)
def test_runs_that_wait_or_have_ended_are_left_alone(instance, dead_pid, state):
    run = make_run(instance, state, dead_pid)
    assert fail_gone_runs(instance) == []
    assert status(instance, run.run_id) == state


def test_a_run_whose_code_server_is_gone_before_it_began_is_failed(instance, tmp_path):
    launcher = {"host": "localhost", "socket": str(tmp_path / "gone.sock")}
    run = make_run(instance, STARTING, launcher=launcher)
    assert fail_gone_runs(instance) == [run.run_id]


@pytest.mark.parametrize("kind", ["socket", "port"])
def test_a_run_whose_code_server_answers_is_about_to_begin(instance, tmp_path, kind):
    family = socket.AF_UNIX if kind == "socket" else socket.AF_INET
    with socket.socket(family) as server:
        server.bind(str(tmp_path / "s") if kind == "socket" else ("127.0.0.1", 0))
        server.listen()
        address = server.getsockname() if kind == "socket" else server.getsockname()[1]
        make_run(instance, STARTING, launcher={"host": "localhost", kind: address})
        assert fail_gone_runs(instance) == []


def test_a_run_without_a_sign_of_life_is_failed_when_it_is_old(instance, monkeypatch):
    run = make_run(instance, STARTING)
    assert fail_gone_runs(instance) == []
    monkeypatch.setattr(recovery, "_SILENT_S", 0)
    assert fail_gone_runs(instance) == [run.run_id]


def test_where_several_machines_may_share_the_runs_nothing_is_done(dead_pid):
    with DagsterInstance.ephemeral() as shared:
        run = make_run(shared, STARTED, dead_pid)
        assert fail_gone_runs(shared) == []
        assert status(shared, run.run_id) == STARTED


@pytest.fixture
def bystander() -> Iterator[psutil.Process]:
    """A process that has nothing to do with Dagster."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield psutil.Process(process.pid)
        process.kill()


def test_a_process_that_got_the_id_of_another_one_is_not_taken_for_it(bystander):
    began = bystander.create_time()
    assert RecordedProcess(bystander.pid, seen_at=began + 1).find() == bystander
    assert RecordedProcess(bystander.pid, seen_at=began - 60).find() is None


def test_a_process_that_has_ended_but_was_not_collected_is_gone():
    process = subprocess.Popen(["true"])
    found = psutil.Process(process.pid)
    assert until(lambda: found.status() == psutil.STATUS_ZOMBIE)
    assert RecordedProcess(process.pid, seen_at=found.create_time() + 1).find() is None
    process.wait()


def test_only_processes_that_dagster_can_have_started_are_ended(instance, dead_pid, bystander):
    run = make_run(instance, STARTED, dead_pid)
    event = DagsterEvent(
        DagsterEventType.STEP_WORKER_STARTED.value,
        "naps",
        step_key="nap",
        event_specific_data=EngineEventData.in_process(bystander.pid),
    )
    instance.report_dagster_event(event, run.run_id)
    assert fail_gone_runs(instance) == [run.run_id]
    assert not is_gone(bystander)
