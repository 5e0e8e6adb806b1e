"""Who holds a lease: a process of a machine, and whether it is surely gone."""

import json
import os
import socket
import uuid
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import psutil

_PROC = Path("/proc")


@dataclass(frozen=True)
class Holder:
    """Who holds a lease; `beat` grows with each renewal, so that no two contents are equal.

    Attributes:
        nonce: New for each time that a lease is taken; only its holder writes it.
        pid_namespace: What the process id counts in; containers of one machine have several.
        process_started: When the process started, by a clock of its machine that is never set.
    """

    nonce: str
    purpose: str = "Something"
    host: str = ""
    boot_id: str = ""
    pid_namespace: str = ""
    pid: int = 0
    process_started: float = 0
    beat: int = 0

    @staticmethod
    def here(purpose: str) -> "Holder":
        """This process."""
        return Holder(
            nonce=uuid.uuid4().hex,
            purpose=purpose,
            host=socket.gethostname(),
            boot_id=_boot_id(),
            pid_namespace=_pid_namespace(),
            pid=os.getpid(),
            process_started=_started(os.getpid()) or 0,
        )

    @staticmethod
    def decoded(body: bytes) -> "Holder | None":
        """What a lease's document says, or None if the lease is free.

        A document of a newer release, or one that nobody can read, is somebody unknown: whoever
        waits takes over when it does not change.
        """
        try:
            found: Any = json.loads(body)
        except ValueError:
            return Holder(nonce="")
        if found is None:
            return None
        names = {field.name for field in fields(Holder)}
        given = found.items() if isinstance(found, dict) else ()
        return Holder(**{"nonce": "", **{key: value for key, value in given if key in names}})

    def encoded(self, beat: int) -> bytes:
        """The document of a lease at that beat."""
        return json.dumps({**asdict(self), "beat": beat}).encode()

    def surely_gone(self) -> bool:
        """True only if this machine can tell that the process no longer runs.

        Another boot of a host of the same name may be another machine, and in another namespace
        the same number is another process: of those only time can tell.
        """
        here = (socket.gethostname(), _boot_id(), _pid_namespace())
        if (self.host, self.boot_id, self.pid_namespace) != here:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (PermissionError, OverflowError):
            pass  # Somebody else's: it runs, and perhaps more cannot be seen of it.
        started = _started(self.pid)
        return started is not None and 0 != self.process_started != started


def _started(pid: int) -> float | None:
    """When a process started, -1 for one that only waits to be buried, None if it is hidden.

    On Linux in clock ticks since the boot: the time of day that psutil makes of them moves when
    the clock of the machine is set.
    """
    try:
        if not _PROC.joinpath("stat").exists():
            process = psutil.Process(pid)
            ended = process.status() == psutil.STATUS_ZOMBIE
            return -1 if ended else process.create_time()
        # proc(5): the name in parentheses may hold anything, so what counts follows the last one.
        state = _PROC.joinpath(str(pid), "stat").read_text(errors="replace")
    except (OSError, psutil.Error):
        return None
    after_name = state.rpartition(")")[2].split()
    return -1 if after_name[0] in "ZX" else float(after_name[19])


def _boot_id() -> str:
    path = _PROC / "sys/kernel/random/boot_id"
    return path.read_text().strip() if path.exists() else f"boot at {psutil.boot_time():.0f}"


def _pid_namespace() -> str:
    link = _PROC / "self/ns/pid"
    return str(link.readlink()) if link.is_symlink() else ""
