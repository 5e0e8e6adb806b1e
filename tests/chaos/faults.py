"""A proxy before an S3 server that loses requests, loses answers, and asks to slow down."""

import http.client
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_SLOW_DOWN = (
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>'
)
_NOT_PASSED_ON = {"connection", "transfer-encoding", "content-length", "server", "date"}


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, upstream: str, share: float, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.share = share
        self.rng = random.Random(seed)
        self.faults = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """A worker that is killed leaves broken connections; that is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any  # A `_Proxy`, which the base class cannot know.

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.server.rng.random()
        share = self.server.share
        if fault < share:
            self.server.faults += 1
        if fault < share / 3:
            self._drop()
            return
        if fault < 2 * share / 3:
            self._reply(503, {"content-type": "application/xml"}, _SLOW_DOWN)
            return
        connection = http.client.HTTPConnection(self.server.upstream, timeout=60)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            said = response.read()
            headers = dict(response.getheaders())
            if fault < share:
                self._drop()  # It was done, and nobody hears of it.
                return
            self._reply(response.status, headers, said)
        finally:
            connection.close()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)

    def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Not a line per request."""


@contextmanager
def faulty(upstream: str, share: float, seed: int) -> Iterator[_Proxy]:
    """A proxy of which a share of all requests goes wrong; `server_address` says where it is."""
    proxy = _Proxy(upstream, share, seed)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
