"""A proxy before an S3 server: counts requests, and lets a test change what is said."""

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from s3pipelines.core.storage.access import Access, StaticKeys

_QUIET_S = 0.5
_NOT_PASSED_ON = {"connection", "transfer-encoding", "content-length", "server", "date"}


@dataclass(frozen=True)
class Passed:
    """One request that went through."""

    method: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    sent_bytes: int = 0


@dataclass
class Answer:
    """What the server said, which a test may change before it is passed on."""

    status: int
    headers: dict[str, str]
    body: bytes


class CountingProxy:
    """Passes requests on; as `with`.

    Attributes:
        passed: All requests so far.
        change: Is given each request and its answer; returns None to hang up.
    """

    def __init__(self, upstream: str) -> None:
        self.passed: list[Passed] = []
        self.change: Callable[[Passed, Answer], Answer | None] = lambda _, answer: answer
        self._upstream = urlsplit(upstream).netloc
        self._turn = threading.Lock()
        self._under_way = 0

    def __enter__(self) -> Self:
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.02))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def access(self) -> Access:
        """Access through the proxy."""
        return Access(endpoint_url=self.endpoint, static_keys=StaticKeys("testing", "testing"))

    def count(self, method: str, *parameters: str, key: str | None = None) -> int:
        """How many requests of a method, with these parameters in their query, went through."""
        return sum(
            one.method == method
            and set(parameters) <= one.query.keys()
            and (key is None or one.key == key)
            for one in self.passed
        )

    def ask(self, passed: Passed, path: str, body: bytes) -> Answer | None:
        """Pass a request on."""
        with self._turn:
            self._under_way += 1
        try:
            said = self._asked(passed, path, body)
            self.passed.append(passed)
        finally:
            with self._turn:
                self._under_way -= 1
        return self.change(passed, said)

    def forget(self) -> None:
        """Forget what has passed, also what a process that was killed had still sent."""
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < _QUIET_S:
            time.sleep(0.01)
            if self._under_way:
                quiet_since = time.monotonic()
        self.passed.clear()

    def _asked(self, passed: Passed, path: str, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            connection.request(passed.method, path, body, passed.headers)
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: object, client_address: object) -> None:
        """A process that is killed leaves broken connections; that is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: CountingProxy

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # Whoever sent it was killed meanwhile.
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, True).items()}
        key = unquote(parts.path).lstrip("/").partition("/")[2]
        headers = {name.lower(): value for name, value in self.headers.items()}
        passed = Passed(self.command, key, query, headers, length)
        said = self.owner.ask(passed, self.path, body)
        if said is None:
            self.close_connection = True
            return
        self._say(said)

    # The names that http.server looks for.
    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def _say(self, said: Answer) -> None:
        self.send_response_only(said.status)
        for name, value in said.headers.items():
            if name not in _NOT_PASSED_ON:
                self.send_header(name, value)
        length: Any = said.headers.get("content-length") if self.command == "HEAD" else None
        self.send_header("content-length", length or str(len(said.body)))
        self.send_header("date", said.headers.get("date", ""))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said.body)
