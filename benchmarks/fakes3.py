"""The fake S3 server in C, so fast that it is the client that is measured.

It is no part of this project: it lies in `tools/fakes3` of the folder that `S3PIPELINES_SHARED`
names, `../shared` beside the checkout by default. Where it or a C compiler is absent, benchmarks
that need it are skipped.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_ROOT = Path(__file__).parents[1]
_START_S = 300
_PR_SET_PDEATHSIG = 1


class Unavailable(Exception):
    """What a benchmark needs is not on this machine."""


class FakeS3:
    """Builds and starts a server on a free port, and ends it with the block.

    Args:
        synthetic: Sizes of the immutable buckets `syn-SIZE` that it offers.

    Raises:
        Unavailable: Its source or a C compiler is absent.
    """

    def __init__(self, synthetic: Sequence[int] = ()) -> None:
        self._synthetic = synthetic

    def __enter__(self) -> Self:
        source = _source()
        self._folder = tempfile.TemporaryDirectory(prefix="s3pipelines-fakes3-")
        program = Path(self._folder.name, "fakes3")
        subprocess.run(["cc", "-O2", "-o", program, source, "-lpthread"], check=True)
        port = _free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        buckets = [word for size in self._synthetic for word in ("-n", str(size))]
        self._process = subprocess.Popen(
            [program, "-p", str(port), *buckets],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - there is one thread
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def environment(self) -> dict[str, str]:
        """What makes botocore use this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "fake",
            "AWS_SECRET_ACCESS_KEY": "fake",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def set_latency(self, milliseconds: float) -> None:
        """Make every answer take so long."""
        self._control("set", lat=milliseconds)

    def make_bucket(self, name: str, objects: int = 0, size_bytes: int = 1024) -> None:
        """Make a bucket, with so many objects of the class STANDARD."""
        request = urllib.request.Request(f"{self.endpoint}/{name}", method="PUT")
        with urllib.request.urlopen(request, timeout=60) as response:
            response.read()
        if objects:
            self._control("fill", bucket=name, n=objects, size=size_bytes)

    def _control(self, name: str, **parameters: object) -> None:
        url = f"{self.endpoint}/_ctl/{name}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=60) as response:
            response.read()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            if self._process.poll() is not None:
                raise Unavailable(f"fakes3 ended with status {self._process.returncode}.")
            try:
                return self._control("stats")
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()


def shared_path(name: str) -> Path:
    """Where something of the shared folder lies.

    Raises:
        Unavailable: It is absent.
    """
    folder = os.environ.get("S3PIPELINES_SHARED") or "../shared"
    path = (_ROOT / folder / name).resolve()
    if not path.exists():
        raise Unavailable(f"{path} is absent (S3PIPELINES_SHARED names the folder to look in).")
    return path


def _source() -> Path:
    source = shared_path("tools/fakes3/fakes3.c")
    if sys.platform != "linux":
        raise Unavailable("fakes3 runs on Linux only.")
    if shutil.which("cc") is None:
        raise Unavailable("There is no C compiler (cc) to build fakes3 with.")
    return source


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _die_with_parent() -> None:
    """A killed benchmark must not leave a server with gigabytes of keys behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
