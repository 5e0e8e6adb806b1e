"""Runs whose process is gone: a killed `up`, a restarted machine.

Dagster's launcher of local runs does not look whether the process of a run is alive. A run that
was killed together with its code server stays STARTED; it takes one of the few places, and what
has to wait its turn stays queued for ever.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil
from dagster import (
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    DefaultRunLauncher,
    RunRecord,
    RunsFilter,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.tags import GRPC_INFO_TAG

# A new process may be recorded a little earlier than it began, by the resolution of its clocks.
_CLOCK_SLACK_S = 10
# A run that has not said which process it is: after so long, it never will.
_SILENT_S = 300
_STOP_S = 5

_UNFINISHED = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


@dataclass(frozen=True)
class RecordedProcess:
    """A process that wrote a run's event: it existed, with this id, at that time."""

    pid: int
    seen_at: float

    def find(self) -> psutil.Process | None:
        """The process, if it is still there; not another one that got its id later."""
        try:
            process = psutil.Process(self.pid)
            if process.create_time() > self.seen_at + _CLOCK_SLACK_S:
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None


def fail_gone_runs(instance: DagsterInstance) -> list[str]:
    """Report the runs as failed whose process is gone, and end the steps that they left behind.

    To be called while holding `exclusive_home`, before anything is started. Runs in a process of
    somebody else on this machine (`dagster job execute`) are alive and are left alone. It does
    nothing unless the runs are kept in SQLite and started by the default launcher: where several
    machines share the runs, the ids of processes here say nothing, and run monitoring is there.

    A run that was being cancelled is reported as cancelled. A step process that was still
    starting, so that no event names it, is not found; it ends by itself or with its tether.

    Args:
        instance: The instance with the runs.

    Returns:
        The ids of these runs.
    """
    local = isinstance(instance.run_storage, SqliteRunStorage)
    if not local or not isinstance(instance.run_launcher, DefaultRunLauncher):
        return []
    gone = [
        record
        for record in instance.get_run_records(RunsFilter(statuses=_UNFINISHED))
        if _is_gone(instance, record)
    ]
    for record in gone:
        _stop_steps(instance, record.dagster_run.run_id)
        _report(instance, record)
    return [record.dagster_run.run_id for record in gone]


def _is_gone(instance: DagsterInstance, record: RunRecord) -> bool:
    run = record.dagster_run
    workers = _recorded_processes(instance, run.run_id, DagsterEventType.ENGINE_EVENT)
    if workers:
        return not any(worker.find() for worker in workers)
    launcher = run.tags.get(GRPC_INFO_TAG)
    if launcher:
        return not _answers(json.loads(launcher))
    return time.time() - record.update_timestamp.timestamp() > _SILENT_S


def _recorded_processes(
    instance: DagsterInstance, run_id: str, kind: DagsterEventType
) -> list[RecordedProcess]:
    """The processes that events of this kind name, each as of its first event."""
    seen: dict[int, float] = {}
    for entry in instance.all_logs(run_id, of_type=kind):
        pid = _pid_of(entry)
        if pid is not None:
            seen.setdefault(pid, entry.timestamp)
    return [RecordedProcess(pid, seen_at) for pid, seen_at in seen.items()]


def _pid_of(entry: EventLogEntry) -> int | None:
    pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
    return int(str(pid.value)) if pid else None


def _answers(launcher: Mapping[str, object]) -> bool:
    """Whether the code server that was to start the run still listens."""
    path = launcher.get("socket")
    family = socket.AF_UNIX if path else socket.AF_INET
    address = path or (launcher["host"], launcher["port"])
    with socket.socket(family) as probe:
        probe.settimeout(2)
        return probe.connect_ex(address) == 0  # pyright: ignore[reportArgumentType] - from JSON


def _stop_steps(instance: DagsterInstance, run_id: str) -> None:
    """End the step processes that outlived their run: a retry would overlap with them."""
    processes = [
        process
        for step in _recorded_processes(instance, run_id, DagsterEventType.STEP_WORKER_STARTED)
        if (root := step.find()) and _is_step(root)
        for process in [root, *root.children(recursive=True)]
    ]
    for process in processes:
        _send(process, kill=False)
    _, alive = psutil.wait_procs(processes, timeout=_STOP_S)
    for process in alive:
        _send(process, kill=True)


def _is_step(process: psutil.Process) -> bool:
    """Whether it is a process of ours that Dagster's multiprocess executor can have started."""
    try:
        ours = process.uids().real == os.getuid()
        return ours and any("multiprocessing" in part for part in process.cmdline())
    except psutil.Error:
        return False


def _send(process: psutil.Process, *, kill: bool) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill() if kill else process.terminate()


def _report(instance: DagsterInstance, record: RunRecord) -> None:
    run = record.dagster_run
    message = (
        "The process of this run is gone: it was killed, or the machine was restarted. "
        "What it had finished is kept; the sensors ask again for what is left to do."
    )
    if run.status == DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, message)
    else:
        instance.report_run_failed(run, message)
