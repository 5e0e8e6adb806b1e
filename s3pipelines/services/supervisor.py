"""Starts processes, notices when one of them ends, and leaves none behind."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Self

import psutil

from s3pipelines.core.errors import S3PipelinesError

_POLL_S = 0.2
_END_BYTES = 16_000
_LAST_LINES = 3
_LAST_CHARACTERS = 500
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# What the tether of a service may need beyond the grace period: to kill, and to end itself.
_TETHER_S = 8


class ServiceStopped(S3PipelinesError):
    """A service that should go on has ended."""


@dataclass(frozen=True)
class _Service:
    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Services:
    """Processes that live as long as the `with` block, and end with everything that they started.

    Each runs in a session of its own under a small process that ends it when this one is gone,
    however that came about (see `s3pipelines.services.tethered`). Ctrl-C thus reaches only this
    process, which then stops them in its own time. SIGTERM leaves the block with `SystemExit`.

    Args:
        home: Logs go to `service-logs/NAME.log` in this folder, that of the last time to
            `NAME.log.1`.
        keep_open: File descriptors, of locks say, that stay open until all services have ended,
            even if this process is killed.
        grace_s: How long a service may take to end before it is killed, in seconds.
    """

    def __init__(self, home: Path, *, keep_open: Sequence[int] = (), grace_s: float = 10) -> None:
        # Not `logs`: whatever is in that folder of a Dagster home, the webserver sends to Dagster's
        # telemetry server and removes, even with telemetry off (seen with dagster 1.13.27).
        self._folder = home / "service-logs"
        self._keep_open = tuple(keep_open)
        self._grace_s = grace_s
        self._services: list[_Service] = []
        self._previous_handler: Any = None
        self.started_at = time.time()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Signals belong to the main thread; elsewhere whoever owns that deals with them.
        if threading.current_thread() is threading.main_thread():
            self._previous_handler = signal.signal(signal.SIGTERM, _leave)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            if self._previous_handler is not None:
                signal.signal(signal.SIGTERM, self._previous_handler)

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start a process.

        Args:
            name: What it is called in messages; also the name of its log.
            arguments: The program and its arguments.
            environment: Variables to add to those of this process.
        """
        log = self.log_path(name)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        tether = [sys.executable, "-m", "s3pipelines.services.tethered", str(self._grace_s)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*tether, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                pass_fds=self._keep_open,
            )
        self._services.append(_Service(name, process, log))

    def log_path(self, name: str) -> Path:
        """Where the output of a service goes."""
        return self._folder / f"{name}.log"

    def check(self) -> None:
        """Make sure that all services run.

        Raises:
            ServiceStopped: One has ended; the message holds the end of its log.
        """
        for service in self._services:
            exit_status = service.process.poll()
            if exit_status is not None:
                with service.log.open("rb") as log:
                    end = last_words(log)
                raise ServiceStopped(
                    f"The {service.name} stopped with exit status {exit_status}.",
                    hint=f"Its log {service.log} ends with: {end}",
                )

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until a service ends, or for `timeout_s` seconds.

        Raises:
            ServiceStopped: One has ended; the message holds the end of its log.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while deadline is None or time.monotonic() < deadline:
            self.check()
            time.sleep(_POLL_S)
        self.check()

    def stop(self) -> None:
        """Stop all services and wait until they are gone.

        An interrupt meanwhile (a second Ctrl-C) kills what is left.
        """
        services, self._services = self._services, []
        try:
            for service in services:
                assert service.process.stdin is not None
                service.process.stdin.close()  # which lets go of its tether
            deadline = time.monotonic() + self._grace_s + _TETHER_S
            for service in services:
                _wait(service.process, deadline - time.monotonic())
        finally:
            for service in services:
                if service.process.poll() is None:
                    _kill_tree(service.process)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signal.SIGTERM)


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):  # it is killed next
        process.wait(max(timeout_s, 0))


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    # The tether first, so that it does not take the end of its command for a crash; what it had
    # adopted is in `below`.
    process.kill()
    for orphan in below:
        with contextlib.suppress(psutil.NoSuchProcess):
            orphan.kill()
    process.wait()


def last_words(log: IO[bytes]) -> str:
    """The end of a log on one line, without the colours of a terminal."""
    log.seek(max(log.seek(0, os.SEEK_END) - _END_BYTES, 0))
    text = _COLOUR.sub("", log.read().decode(errors="replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-_LAST_LINES:])[-_LAST_CHARACTERS:] or "nothing"
