"""How many images this machine decodes at a time, whoever asks: one budget for all processes.

A slot is a file under a lock that the kernel gives back when its holder ends, however it ends. It
is taken per image, so two runs share the machine evenly.
"""

import fcntl
import os
import random
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from s3pipelines.core.errors import StorageError

# What decoding may take of this machine's memory, with every worker at its limit.
_MEMORY_SHARE = 0.75
# A 2-megapixel thumbnail takes 3 ms to 10 ms.
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.05


def machine_slots(memory_bytes: int) -> int:
    """How many workers of `memory_bytes` each this machine has cores and memory for; at least 1."""
    return max(1, min(_cores(), int(_memory_bytes() * _MEMORY_SHARE) // memory_bytes))


class Slots:
    """The decode slots of this machine for this user.

    Args:
        count: How many there are; processes that disagree use the lowest numbers in common.
        folder: Where the lock files are; by default a folder of this user and machine.
        kind: What they are for: one kind never waits for another.
    """

    def __init__(self, count: int, folder: Path | None = None, kind: str = "decode") -> None:
        self.count = count
        self._kind = kind
        self._folder = folder or _runtime_folder()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_own(self._folder)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a slot; waits as long as all are taken."""
        with self.some(1):
            yield

    @contextmanager
    def some(self, most: int) -> Iterator[int]:
        """Hold a slot, for which it waits, and others that nobody has taken: how many together.

        Args:
            most: No more than so many.
        """
        held = [self._take()]
        try:
            for _ in range(most - 1):
                descriptor = self._take_free()
                if descriptor is None:
                    break
                held.append(descriptor)
            yield len(held)
        finally:
            for descriptor in held:
                os.close(descriptor)

    def _take(self) -> int:
        pause_s = _FIRST_PAUSE_S
        while (descriptor := self._take_free()) is None:
            time.sleep(pause_s * random.uniform(0.5, 1.5))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return descriptor

    def _take_free(self) -> int | None:
        for number in random.sample(range(self.count), self.count):
            descriptor = self._try(number)
            if descriptor is not None:
                return descriptor
        return None

    def _try(self, number: int) -> int | None:
        # Opened each time: a lock belongs to the open file, so threads exclude each other, too.
        path = self._folder / f"{self._kind}-{number}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _runtime_folder() -> Path:
    own = Path(f"/run/user/{os.getuid()}")
    if own.is_dir() and os.access(own, os.W_OK):
        return own / "s3pipelines"
    return Path(tempfile.gettempdir()) / f"s3pipelines-{os.getuid()}"


def _check_own(folder: Path) -> None:
    """In a folder that everybody can write to, somebody else may have made it first."""
    found = folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise StorageError(
            f"The folder {folder} belongs to somebody else.", hint="Remove it, or set TMPDIR."
        )


def _cores() -> int:
    """Cores that this process may use, by its affinity and its container's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota, _, period = _control_group("cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        cores = min(cores, max(1, round(int(quota) / int(period))))
    return cores


def _memory_bytes() -> int:
    """Memory of this machine, or of the container that this process is in."""
    limit = _control_group("memory.max").strip()
    total = psutil.virtual_memory().total
    return min(total, int(limit)) if limit.isdigit() else total


def _control_group(name: str) -> str:
    """A value of this container's control group (version 2); empty where there is none."""
    try:
        return Path("/sys/fs/cgroup", name).read_text()
    except OSError:
        return ""
