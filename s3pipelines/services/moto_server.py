"""The child process of `MotoServer`: moto behind an HTTP server that keeps connections open.

Five things differ from `python -m moto.server`, which this replaces (moto 5.2.5, werkzeug 3.1.9,
objects of 20 kB, two cores; requests per second, and milliseconds of the server's CPU for each):

                           moto.server        here
    boto3 PUT, 1 thread    150    2.4 ms      600    0.8 ms
    boto3 HEAD, 16 threads 390    2.2 ms      840    0.6 ms
    obstore GET, 1 thread  590    1.6 ms    1,120    0.8 ms
    obstore GET, 16 threads 460   2.1 ms    1,420    0.7 ms

- Connections are kept open (werkzeug closes each one after its answer).
- Which backend a request is for is remembered; moto lists its own folder for each request, which
  was half of its CPU time.
- A conditional write is atomic, as S3 promises and as Delta Lake's commits need. moto checks the
  condition and then writes without a lock: with the interpreter's switch interval at 10 µs, 99 of
  400 races between eight writers were won twice.
- Whether a message of a queue has expired is looked up, where moto computes all attributes of the
  queue for each message: to receive ten of 1,000 took 483 ms, and takes 12 ms.
- Messages of a queue are received and deleted under the lock of that queue. Without it, two
  receivers got the same message, and of two deletions at a time one was undone.

It listens on a free port, prints that port, and ends when its standard input is closed, so that it
cannot outlive whoever started it.
"""

import functools
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import IO, Any, cast

from moto.core.utils import unix_time
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.sqs.models import Message, SQSBackend
from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import make_server
from werkzeug.wsgi import LimitedStream

from s3pipelines.services.ports import LOOPBACK

_LOG = logging.getLogger(__name__)

_CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")
_READING = ("GET", "HEAD", "OPTIONS")
_WITHOUT_BODY = (204, 304)
_CHUNK_BYTES = 1 << 20

Headers = list[tuple[str, str]]


class Application(DomainDispatcherApplication):
    """moto's application, with remembered backends and atomic conditional writes."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self.get_backend_for_host = functools.cache(super().get_backend_for_host)
        self._conditional_write = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request; conditional writes one after the other."""
        conditional = any(name in environ for name in _CONDITIONS)
        writes = environ["REQUEST_METHOD"] not in _READING
        with self._conditional_write if conditional and writes else nullcontext():
            return super().__call__(environ, start_response)


class KeepAliveHandler(MotoRequestHandler):
    """Answers one request after another on the same connection."""

    protocol_version = "HTTP/1.1"
    # Headers and body leave in one packet; otherwise each answer waits for a delayed ACK.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_expect_100(self) -> bool:
        """Tell a client that waits for leave to send its body to go on (boto3 does, up to 1 s)."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests are not logged: there are thousands a second."""

    def run_wsgi(self) -> None:
        """Have the application answer, and leave the connection ready for the next request."""
        self.environ = environ = self.make_environ()
        body = environ["wsgi.input"]
        if not environ.get("wsgi.input_terminated"):
            length = int(environ.get("CONTENT_LENGTH") or 0)
            body = environ["wsgi.input"] = LimitedStream(cast(IO[bytes], self.rfile), length)
        status, headers, answer = self._ask_application(environ)
        try:
            while body.read(_CHUNK_BYTES):  # what the application did not care to read
                pass
        except (ClientDisconnected, OSError):
            self.close_connection = True
            return
        self._send(status, headers, answer)

    def _ask_application(self, environ: dict[str, Any]) -> tuple[str, Headers, bytes]:
        started: list[tuple[str, Headers]] = []

        def start_response(status: str, headers: Headers, _exc_info: Any = None) -> Any:
            started.append((status, headers))

        try:
            answer = self.server.app(environ, start_response)
            try:
                data = b"".join(answer)
            finally:
                close = getattr(answer, "close", None)
                if close:
                    close()
        except Exception:  # noqa: BLE001 - a server answers, whatever goes wrong inside
            _LOG.exception("%s %s failed", self.command, self.path)
            return "500 Internal Server Error", [], b""
        status, headers = started[-1]
        return status, headers, data

    def _send(self, status: str, headers: Headers, body: bytes) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        named = {name.lower() for name, _ in headers}
        if "content-length" not in named and int(code) not in _WITHOUT_BODY:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _is_fresh(backend: SQSBackend, queue_name: str, message: Message) -> bool:
    sent_at_s = (message.sent_timestamp or 0) / 1000
    queue: Any = backend.get_queue(queue_name)
    return queue.message_retention_period + sent_at_s > unix_time()


def _one_at_a_time(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of the backend that works on one queue, under the lock of that queue.

    Whoever waits for messages lets go of the lock meanwhile: it is that of their condition.
    """

    @functools.wraps(method)
    def locked(backend: SQSBackend, queue_name: str, *arguments: Any, **options: Any) -> Any:
        queue: Any = backend.get_queue(queue_name)
        with queue._messages_lock:
            return method(backend, queue_name, *arguments, **options)

    return locked


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve until standard input is closed."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    cast(Any, SQSBackend).is_message_valid_based_on_retention_period = _is_fresh
    for name in ("receive_message", "delete_message"):
        setattr(SQSBackend, name, _one_at_a_time(getattr(SQSBackend, name)))
    server = make_server(LOOPBACK, 0, Application(), True, request_handler=KeepAliveHandler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
