"""Peak memory of a process with all its descendants, sampled while they run.

`ru_maxrss` knows only the largest process; where several work side by side what counts is their
sum. Resident memory would count each shared page once for every process, so this is the sum of
PSS, in which a page that n processes share counts for 1/n in each. A peak between two samples is
missed; a sample takes the kernel about 1 ms a process, so a few a second cost nothing. A page
of a library that somebody else's processes have mapped counts for less, too: so compare within a
run, and run it on a machine where nothing else does.
"""

import contextlib
import threading
from types import TracebackType
from typing import Self

import psutil

_PAUSE_S = 0.2


class PeakOfTree:
    """Samples within its block; `peak_mb` is the most that was seen, in MB (10^6 bytes)."""

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(_PAUSE_S):
            self.peak_mb = max(self.peak_mb, _pss_mb(self._pid))


def _pss_mb(pid: int) -> float:
    total = 0
    with contextlib.suppress(psutil.Error):
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total / 1e6
