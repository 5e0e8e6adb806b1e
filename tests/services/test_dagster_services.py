"""The webserver, the daemon and their code server: started, ready, and stopped without a trace."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus

from s3pipelines.instance.home import exclusive_home, open_instance
from s3pipelines.instance.recovery import fail_gone_runs
from s3pipelines.services import dagster_services
from s3pipelines.services.dagster_services import NotReady, dagster_processes, wait_until_ready
from s3pipelines.services.ports import free_port
from s3pipelines.services.supervisor import Services, ServiceStopped
from tests.services.processes import is_gone, until

DEFINITIONS = """
import time
from dagster import Definitions, job, op

@op
def nap():
    time.sleep(60)

@job
def naps():
    nap()

defs = Definitions(jobs=[naps])
"""

LAUNCH = """
mutation($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home and a module with definitions, neither of them in the working directory."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "naps.py").write_text(DEFINITIONS)
    (tmp_path / "code" / "broken.py").write_text("import no_such_module\n")
    (tmp_path / "somewhere").mkdir()
    monkeypatch.chdir(tmp_path / "somewhere")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "code"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))


@contextmanager
def running(home: Path, port: int, module: str = "naps") -> Iterator[Services]:
    processes = dagster_processes(port, module=module)
    with Services(home) as services:
        for name, arguments in processes.items():
            services.start(name, arguments)
        yield services


def launch(port: int) -> str:
    """Ask for a run of `naps`, as the UI does; returns its id."""
    selector = {
        "repositoryLocationName": "s3pipelines",
        "repositoryName": "__repository__",
        "pipelineName": "naps",
    }
    question = {"query": LAUNCH, "variables": {"parameters": {"selector": selector}}}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps(question).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        result = json.load(answer)["data"]["launchRun"]
    assert result["__typename"] == "LaunchRunSuccess", result
    return result["run"]["runId"]


def started_since(before: list[psutil.Process]) -> list[psutil.Process]:
    """Our processes but those of before: other tests keep some of their own going."""
    return [child for child in psutil.Process().children(recursive=True) if child not in before]


def status(run_id: str) -> DagsterRunStatus | None:
    with DagsterInstance.get() as instance:
        run = instance.get_run_by_id(run_id)
    return run and run.status


@pytest.mark.e2e
@pytest.mark.slow
def test_once_ready_a_run_starts_and_leaving_ends_it_without_a_trace(tmp_path):
    port = free_port()
    before = psutil.Process().children(recursive=True)
    with running(tmp_path / "home", port) as services:
        wait_until_ready(port, 90, services)
        run_id = launch(port)
        assert until(lambda: status(run_id) == DagsterRunStatus.STARTED, seconds=60)
        processes = started_since(before)
        # Three tethers, three services, the process of the run, and one of Python's beside it.
        assert len(processes) >= 8
        # The webserver has sent nothing away and removed nothing.
        assert all(services.log_path(name).stat().st_size for name in ("code-server", "daemon"))
        assert not any((tmp_path / "home" / ".logs_queue").glob("*"))
    assert [process for process in processes if not is_gone(process)] == []
    assert status(run_id) == DagsterRunStatus.FAILURE


SESSION = """
import sys
from s3pipelines.instance.home import ensure_home, exclusive_home
from s3pipelines.services.dagster_services import dagster_processes, wait_until_ready
from s3pipelines.services.supervisor import Services
port, home = int(sys.argv[1]), ensure_home()
with exclusive_home(home) as lock, Services(home, keep_open=[lock]) as services:
    for name, arguments in dagster_processes(port, module="naps").items():
        services.start(name, arguments)
    wait_until_ready(port, 90, services)
    print("ready", flush=True)
    services.wait()
"""


def steps_of(run_id: str) -> list[int]:
    with DagsterInstance.get() as instance:
        events = instance.all_logs(run_id, of_type=DagsterEventType.STEP_WORKER_STARTED)
    return [
        int(str(event.get_dagster_event().engine_event_data.metadata["pid"].value))
        for event in events
    ]


@pytest.mark.e2e
@pytest.mark.slow
def test_when_all_but_a_step_was_killed_the_next_start_clears_up(tmp_path):
    port = free_port()
    arguments = [sys.executable, "-c", SESSION, str(port)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"ready\n"
        run_id = launch(port)
        assert until(lambda: bool(steps_of(run_id)), seconds=60)
        step = psutil.Process(steps_of(run_id)[0])
        below = psutil.Process(session.pid).children(recursive=True)
        doomed = [psutil.Process(session.pid), *(each for each in below if each != step)]
        # Stopped first, so that none of them has the time to do anything about it.
        for process in doomed:
            process.suspend()
        for process in doomed:
            process.kill()
    assert not is_gone(step)
    assert status(run_id) == DagsterRunStatus.STARTED

    with exclusive_home(tmp_path / "home"), open_instance() as instance:
        assert fail_gone_runs(instance) == [run_id]

    assert status(run_id) == DagsterRunStatus.FAILURE
    assert is_gone(step)


@pytest.mark.e2e
@pytest.mark.slow
def test_definitions_that_cannot_be_loaded_are_named_and_a_lost_code_server_is_noticed(tmp_path):
    port = free_port()
    before = psutil.Process().children(recursive=True)
    with running(tmp_path / "home", port, "broken") as services:
        with pytest.raises(NotReady, match="No module named 'no_such_module'"):
            wait_until_ready(port, 90, services)
        [server] = [
            process
            for process in started_since(before)
            if "grpc" in process.cmdline() and "tethered" not in " ".join(process.cmdline())
        ]
        server.kill()
        with pytest.raises(ServiceStopped, match="The code-server stopped with exit status 137"):
            services.wait(timeout_s=10)


def test_waiting_for_something_that_never_comes_has_an_end():
    start = time.monotonic()
    with pytest.raises(NotReady, match="not ready within 1 s: the webserver does not answer"):
        wait_until_ready(free_port(), 1)
    assert time.monotonic() - start < 30


def test_a_service_that_ends_at_the_start_is_noticed_while_waiting(tmp_path):
    with Services(tmp_path) as services:
        services.start("webserver", ["sh", "-c", "echo the port is taken; exit 3"])
        with pytest.raises(ServiceStopped, match="the port is taken"):
            wait_until_ready(free_port(), 30, services)


def daemon(**changes: object) -> dict[str, object]:
    return {
        "daemonType": "SENSOR",
        "required": True,
        "healthy": True,
        "lastHeartbeatTime": 100.0,
        "lastHeartbeatErrors": [],
        **changes,
    }


def loaded(**changes: object) -> dict[str, object]:
    return {"loadStatus": "LOADED", "locationOrLoadError": {}, **changes}


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch):
    """Make the webserver report a state for ever."""

    def say(entries: list[dict[str, object]], daemons: list[dict[str, object]]) -> None:
        state = {
            "workspaceOrError": {"locationEntries": entries},
            "instance": {"daemonHealth": {"allDaemonStatuses": daemons}},
        }
        monkeypatch.setattr(dagster_services, "_ask", lambda port: state)

    return say


def test_a_daemon_that_is_not_needed_may_be_silent(says):
    says([loaded()], [daemon(), daemon(required=False, healthy=False, lastHeartbeatTime=None)])
    wait_until_ready(1, 1)


@pytest.mark.parametrize(
    ("entry", "status", "missing"),
    [
        (loaded(loadStatus="LOADING"), daemon(), "the definitions are still being loaded"),
        (
            loaded(locationOrLoadError={"message": "DagsterUserCodeUnreachableError: no"}),
            daemon(),
            "the code server does not answer",
        ),
        (loaded(), daemon(lastHeartbeatTime=None), "the daemon SENSOR has not reported"),
        (
            loaded(),
            daemon(healthy=False, lastHeartbeatErrors=[{"message": "it\nbroke"}]),
            "the daemon SENSOR reports it broke",
        ),
    ],
)
def test_what_is_missing_is_said_when_time_is_up(says, entry, status, missing):
    says([entry], [status])
    with pytest.raises(NotReady, match=f": {missing}."):
        wait_until_ready(1, 0.5, None)


def test_what_a_daemon_reported_before_the_start_does_not_count(says, tmp_path):
    says([loaded()], [daemon(lastHeartbeatTime=time.time() - 60)])
    with Services(tmp_path) as services:
        with pytest.raises(NotReady, match="has not reported"):
            wait_until_ready(1, 0.5, services)
        says([loaded()], [daemon(lastHeartbeatTime=time.time() + 1)])
        wait_until_ready(1, 0.5, services)


def test_the_path_of_the_socket_is_short_enough_wherever_the_home_is(monkeypatch, tmp_path):
    deep = tmp_path / ("deep" * 20) / "home"
    monkeypatch.setenv("DAGSTER_HOME", str(deep))
    arguments = dagster_processes(3000)["code-server"]
    socket = Path(arguments[arguments.index("--socket") + 1])
    assert len(str(socket)) < 104
    assert str(socket) in (deep / "up.workspace.yaml").read_text()
    assert socket.parent.stat().st_mode & 0o077 == 0
    socket.parent.rmdir()
