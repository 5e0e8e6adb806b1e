"""One decode worker, seen from outside: started, asked, and ended however it behaves."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from s3pipelines.core.imaging.arriving import Arriving, BrokeOff, send_arriving
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.protocol import BrokenFrame, Frame, receive, send

# Everything that a worker has of an environment: above all, no credentials.
ENVIRONMENT = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
    "PYTHONDONTWRITEBYTECODE": "1",
    # One image, one core: for many small images two workers beat one worker with two threads.
    "VIPS_CONCURRENCY": "1",
    # NumPy compares pixels; the threads of its linear algebra would only take address space.
    "OPENBLAS_NUM_THREADS": "1",
    "VIPS_BLOCK_UNTRUSTED": "1",
    # What is too large for memory is refused; it does not go to a temporary file.
    "VIPS_DISC_THRESHOLD": "1000g",
    # Without this, glibc reserves 64 MB of address space per thread, which the limit counts.
    "MALLOC_ARENA_MAX": "2",
}
_START_S = 60
_ERROR_TAIL = 2000
_MEMORY_WORDS = ("memory", "failed to allocate", "MemoryError", "bad_alloc")

# What is told of a file that was written: the numbers of all pages of its image.
Written = Callable[[list[int]], None]


class WorkerGone(Exception):
    """The worker ended before it took the request, so the image is not to blame."""


class WorkerProcess:
    """A running worker.

    Args:
        file_bytes: Largest file that it may write; 0: none at all.

    Attributes:
        versions: The libraries that it reads with, as it says.

    Raises:
        RuntimeError: It does not start; the message has what it said.
    """

    def __init__(self, file_bytes: int = 0) -> None:
        self._connection, theirs = socket.socketpair()
        with theirs:
            module = "s3pipelines.core.imaging.worker"
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, str(theirs.fileno()), str(file_bytes)],
                # libvips keeps the levels of a pyramid in files without names there.
                env=ENVIRONMENT | {"TMPDIR": tempfile.gettempdir()},
                cwd="/",
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                # Ctrl-C in a terminal goes to a group: the pool ends its workers in its own time.
                start_new_session=True,
            )
        assert self._process.stderr is not None
        # Neither side may wait for the other over what libraries say there.
        os.set_blocking(self._process.stderr.fileno(), False)
        self._connection.settimeout(_START_S)
        self.versions = self._await_ready()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def ask(
        self,
        request: Frame,
        wall_s: float,
        arriving: Arriving | None = None,
        written: Written | None = None,
    ) -> Frame:
        """Send a request and wait for its answer.

        Args:
            request: What is asked.
            wall_s: How long it may take, in seconds.
            arriving: A file in pieces, which the worker is sent as they come.
            written: Is told when the worker has written its file and goes on to verify it.

        Raises:
            WorkerGone: It had ended before.
            Refused: It hung (`timeout`), ended (`crashed`, `out_of_memory`) or talked nonsense;
                it is no longer alive then.
        """
        deadline = time.monotonic() + wall_s
        self._errors()
        self._connection.settimeout(wall_s)
        try:
            self._send(request, arriving, deadline)
            answer = self._answer(deadline, written)
        except TimeoutError:
            raise self._timeout(wall_s) from None
        if answer is None:
            raise self._ended(wall_s)
        return answer

    def close(self) -> None:
        """End it now and leave nothing of it; harmless when it has ended."""
        self._connection.close()
        if self.alive:
            self._process.kill()
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _send(self, request: Frame, arriving: Arriving | None, deadline: float) -> None:
        try:
            if arriving is None:
                send(self._connection, request)
            else:
                send_arriving(self._connection, request, arriving, deadline)
        except TimeoutError:
            raise
        except OSError as error:
            self.close()
            raise WorkerGone from error
        except BaseException as error:
            self.close()  # It has half of a file.
            if isinstance(error, BrokeOff) and error.__cause__ is not None:
                raise error.__cause__ from None
            raise

    def _answer(self, deadline: float, written: Written | None) -> Frame | None:
        """What it says at last; None if it ended before."""
        while True:
            self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                answer = receive(self._connection)
            except TimeoutError:
                raise
            except (OSError, BrokenFrame):
                return None
            if answer is None or not answer.header.get("written"):
                return answer
            if written is not None:
                written(answer.header["pages"])

    def _await_ready(self) -> str:
        try:
            ready = receive(self._connection)
        except (OSError, BrokenFrame):
            ready = None
        if ready is None:
            # It writes its reasons before it ends.
            self._connection.close()
            self._process.wait(_START_S)
            said = self._errors()
            self.close()
            raise RuntimeError(f"A decode worker did not start: {said or 'it said nothing'}")
        return str(ready.header["ready"])

    def _timeout(self, wall_s: float) -> Refused:
        self.close()
        return Refused("timeout", f"It was not decoded within {wall_s:g} s.")

    def _ended(self, wall_s: float) -> Refused:
        self._connection.close()
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:  # It closed its connection, but lives.
            code = 0
        said = self._errors()
        self.close()
        if -code == signal.SIGXCPU:
            return Refused("timeout", f"It took more than {wall_s:g} s of processor time.")
        if any(word in said for word in _MEMORY_WORDS):
            return Refused("out_of_memory", f"It needs more memory than an image may ({said}).")
        how = signal.Signals(-code).name if code < 0 else f"status {code}"
        hint = ", as the kernel does when memory runs out" if -code == signal.SIGKILL else ""
        # Of a traceback, the last line names the error.
        last = said.rpartition("\n")[2]
        return Refused("crashed", f"The decoder ended with {how}{hint}. {last}")

    def _errors(self) -> str:
        """The end of what it wrote to its standard error since the last call."""
        stream = self._process.stderr
        if stream is None or stream.closed:
            return ""
        said = b""
        while chunk := stream.read(65536):
            said = (said + chunk)[-_ERROR_TAIL:]
        return said.decode(errors="replace").strip()
