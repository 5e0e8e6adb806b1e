"""A pool of decode workers: each image to one of them, and to none twice.

It may be used from many threads at a time; each call waits for a worker and for a slot of the
machine's budget. A worker that hung or crashed cost its image, and is replaced at the next call.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from s3pipelines.core.imaging.arriving import Arriving
from s3pipelines.core.imaging.budget import Slots, machine_slots
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.process import WorkerGone, WorkerProcess, Written
from s3pipelines.core.imaging.protocol import Frame

# So often in a row a worker may end by itself before it is asked anything.
_FALSE_STARTS = 3
# Decoding is one thread's work, and encoding no more than that of a few.
_MOST_THREADS = 4


class DecodePool:
    """Decode workers, as many as this machine has cores and memory for, started as needed.

    Args:
        limits: What one image may cost.
        workers: How many; by default what the machine's budget allows.
        slots: The budget; by default the one that all processes of this user share.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        workers: int | None = None,
        slots: Slots | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._slots = slots or Slots(machine_slots(self.limits.memory_bytes))
        self.workers = min(workers or self._slots.count, self._slots.count)
        self._turns = threading.Semaphore(self.workers)
        self._waiting = 0
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._all: set[WorkerProcess] = set()
        self._closed = False
        self._versions: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ask(
        self,
        request: Frame,
        arriving: Arriving | None = None,
        written: Written | None = None,
        *,
        large: bool = False,
    ) -> Frame:
        """Have one worker answer one request.

        Args:
            request: What is asked.
            arriving: Its file in pieces; begun only when there is a worker for it.
            written: Is told when a worker has written its file and goes on to verify it. It must
                not raise anything.
            large: It takes seconds: it may have the cores that no other image wants.

        Raises:
            Refused: The worker hung, crashed or ran out of memory over it.
            RuntimeError: Workers do not start on this machine, or the pool is closed.
        """
        with self._threads(large) as threads:
            request = replace(request, header={**request.header, "threads": threads})
            for _ in range(_FALSE_STARTS):
                worker = self._borrow()
                try:
                    return self._asked(worker, request, arriving, written)
                except WorkerGone:
                    continue
                finally:
                    self._give_back(worker)
        raise RuntimeError("Decode workers end before they are asked anything.")

    @contextlib.contextmanager
    def _threads(self, large: bool) -> Iterator[int]:
        """How many threads an image may use, once it is its turn.

        Two images of one thread each are done sooner than one after the other with two.
        """
        with self._lock:
            self._waiting += 1
        try:
            self._turns.acquire()
        finally:
            with self._lock:
                self._waiting -= 1
        try:
            alone = large and self.workers > 1 and not self._waiting
            with self._slots.some(_MOST_THREADS if alone else 1) as threads:
                yield threads
        finally:
            self._turns.release()

    @property
    def reader_version(self) -> str:
        """The libraries that read here; failures are tried again when it changes."""
        if self._versions is None:
            worker = self._borrow()
            self._versions = worker.versions
            self._give_back(worker)
        return self._versions

    def pids(self) -> list[int]:
        """The process ids of the workers that run now."""
        with self._lock:
            return [worker.pid for worker in self._all]

    def close(self) -> None:
        """End all workers, also those at work."""
        with self._lock:
            self._closed = True
            workers, self._all = self._all, set()
            self._idle.clear()
        for worker in workers:
            with contextlib.suppress(OSError):
                worker.close()

    def _asked(
        self,
        worker: WorkerProcess,
        request: Frame,
        arriving: Arriving | None,
        written: Written | None,
    ) -> Frame:
        answer = worker.ask(request, self.limits.wall_s, arriving, written)
        if answer.header.get("failure", {}).get("reason") == "out_of_memory":
            worker.close()  # Who knows what a library left half done.
        return answer

    def _borrow(self) -> WorkerProcess:
        with self._lock:
            if self._closed:
                raise RuntimeError("The decode pool is closed.")
            if self._idle:
                return self._idle.pop()
        worker = WorkerProcess(self.limits.max_output_bytes)
        with self._lock:
            if not self._closed:
                self._all.add(worker)
                return worker
        worker.close()
        raise RuntimeError("The decode pool is closed.")

    def _give_back(self, worker: WorkerProcess) -> None:
        with self._lock:
            if worker.alive and not self._closed:
                self._idle.append(worker)
                return
            self._all.discard(worker)
        worker.close()
