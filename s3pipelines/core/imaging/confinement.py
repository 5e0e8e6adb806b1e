"""The limits that a worker puts on itself, before and at each image."""

import math
import resource
import signal

from s3pipelines.core.imaging.limits import Limits

_OPEN_FILES = 64
# Processor time is what hangs cost; the clock of the pool ends what sleeps.
_GRACE_S = 2


def confine(file_bytes: int) -> None:
    """For good: no core dumps, no file written beyond so many bytes, few files open."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _OPEN_FILES if most == resource.RLIM_INFINITY else min(_OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    # Ctrl-C is for the process that owns the pool; the worker ends when its connection does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class ImageLimits:
    """Limits around one image, counted from what the worker has when it is idle."""

    def __init__(self) -> None:
        self._idle_bytes = _address_space_bytes()

    def start(self, limits: Limits, input_bytes: int, threads: int = 1) -> None:
        """Limit memory and processor time for the image that comes now.

        The alarm ends a worker whose pool is gone; the pool's own clock is earlier.
        """
        wall_s = math.ceil(limits.wall_s) + _GRACE_S
        signal.setitimer(signal.ITIMER_REAL, 2 * wall_s)
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = math.ceil(used.ru_utime + used.ru_stime) + threads * wall_s
        _soft(resource.RLIMIT_CPU, cpu_s)
        if self._idle_bytes:
            _soft(resource.RLIMIT_AS, self._idle_bytes + limits.memory_bytes + input_bytes)

    def end(self) -> None:
        """Lift the memory limit, so that the answer can be sent."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        _soft(resource.RLIMIT_AS, resource.RLIM_INFINITY)


def _soft(what: int, amount: int) -> None:
    _, hard = resource.getrlimit(what)
    # RLIM_INFINITY is -1, so it cannot be compared by size.
    finite = [limit for limit in (amount, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(what, (min(finite, default=resource.RLIM_INFINITY), hard))


def _address_space_bytes() -> int:
    """What this process has mapped; 0 where it cannot be known, as on macOS, which has no limit."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a kernel file
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
