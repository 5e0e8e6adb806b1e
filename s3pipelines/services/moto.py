"""An S3 server for the demo and the tests: moto, over HTTP, in a process of its own."""

import importlib.util
import selectors
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import IO, Self

from s3pipelines.core.errors import InvalidInput, S3PipelinesError
from s3pipelines.services.ports import LOOPBACK
from s3pipelines.services.supervisor import last_words

_START_S = 60
_STOP_S = 10


class MotoServer:
    """Starts an empty S3 (and SQS) server on a free port, and stops it with everything in it.

    Raises:
        InvalidInput: moto is not installed.
        S3PipelinesError: It does not start.

    Example:
        >>> with MotoServer() as server:
        ...     os.environ.update(server.environment())
    """

    def __enter__(self) -> Self:
        _require_moto()
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        # A session of its own: Ctrl-C goes to the whole foreground group of a terminal, and the
        # server has to outlive those who still write to it. It ends when its input is closed.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "s3pipelines.services.moto_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        try:
            self.port = self._read_port()
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

    @property
    def endpoint(self) -> str:
        """The URL of the server."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._process.pid

    def environment(self) -> dict[str, str]:
        """What makes botocore, and everything that reads its variables, use this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "moto",
            "AWS_SECRET_ACCESS_KEY": "moto",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def _read_port(self) -> int:
        output = self._process.stdout
        assert output is not None
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            line = output.readline() if selector.select(_START_S) else b""
        if not line.strip().isdigit():
            raise S3PipelinesError(
                "The S3 server (moto) did not start.", hint=f"It said: {last_words(self._errors)}"
            )
        return int(line)

    def _stop(self) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        self._errors.close()


def _require_moto() -> None:
    # flask_cors is what moto needs as a server, and what installing moto alone leaves out.
    if not all(importlib.util.find_spec(name) for name in ("moto", "flask_cors")):
        raise InvalidInput(
            "The S3 server of the demo (moto) is not installed.",
            hint="Install it with: pip install 's3pipelines[demo]'",
        )
