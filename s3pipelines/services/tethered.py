"""Runs a command so that nothing of it outlives the process that asked for it.

    python -m s3pipelines.services.tethered GRACE_S COMMAND…

The asking process keeps the other end of this one's standard input. When that is closed, because
it wants the command stopped or because it was killed, all processes below this one are asked to
end (SIGTERM), and killed GRACE_S seconds later. The same happens on SIGTERM, SIGINT and SIGHUP,
and to what is left when the command ends by itself. The exit status is that of the command.

On Linux, processes whose own parent died become children of this one, whatever session they have
made for themselves, so none can hide. Elsewhere the tree is looked at often and remembered.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

import psutil

_POLL_S = 0.2
_KILL_PATIENCE_S = 5

# From <sys/prctl.h>.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run the command of the arguments; returns its exit status, 0 if it was asked to stop."""
    grace_s, command = float(sys.argv[1]), sys.argv[2:]
    stop_signals: list[int] = []
    # With a handler here, the command starts with the default action. Dagster would else take
    # "ignore SIGINT", as a shell gives it to what it runs in the background, for SIGTERM as well.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: stop_signals.append(received))
    tree = _Tree(adopts=_adopt_orphans())
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_end_with_parent,  # noqa: PLW1509 - there is one thread
    )
    exit_status = None
    while exit_status is None and not stop_signals and not _is_released(_POLL_S):
        tree.remember()
        exit_status = _reap(child)
    tree.stop(grace_s, child)
    if exit_status is None:
        return 0
    return exit_status if exit_status >= 0 else 128 - exit_status


class _Tree:
    """The processes below this one."""

    def __init__(self, adopts: bool) -> None:
        self._adopts = adopts
        self._known: set[psutil.Process] = set()

    def remember(self) -> None:
        if not self._adopts:
            self._known.update(psutil.Process().children(recursive=True))

    def stop(self, grace_s: float, child: subprocess.Popen[bytes]) -> None:
        """Ask all of them to end, and kill those that have not after `grace_s` seconds."""
        asked: set[psutil.Process] = set()
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline + _KILL_PATIENCE_S:
            _reap(child)
            alive = self._alive()
            if not alive:
                return
            late = time.monotonic() > deadline
            for process in alive if late else alive - asked:
                _send(process, signal.SIGKILL if late else signal.SIGTERM)
            asked |= alive
            time.sleep(0.05)

    def _alive(self) -> set[psutil.Process]:
        self.remember()
        found = self._known | set(psutil.Process().children(recursive=True))
        return {process for process in found if _is_alive(process)}


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _send(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _is_released(patience_s: float) -> bool:
    """Whether the process that asked has let go of our standard input, waiting a moment for it."""
    readable, _, _ = select.select([0], [], [], patience_s)
    return bool(readable) and not os.read(0, 1)


def _reap(child: subprocess.Popen[bytes]) -> int | None:
    """Collect all that ended, adopted ones too; returns the exit status of the command, if any."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return child.returncode
        if pid == 0:
            return child.returncode
        if pid == child.pid:
            child.returncode = os.waitstatus_to_exitcode(status)


def _adopt_orphans() -> bool:
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _end_with_parent() -> None:
    # For the case that this process itself is killed outright.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> bool:
    if sys.platform != "linux":
        return False
    return ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0


if __name__ == "__main__":
    sys.exit(main())
