"""HTTP/1.1 by hand, as much as botocore speaks: keep-alive, bodies with a length, one at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from urllib.parse import parse_qsl, unquote

_PHRASES = {200: "OK", 204: "No Content", 206: "Partial Content", 404: "Not Found"}


@dataclass(slots=True)
class Request:
    """One request; the names of its headers are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[bytes, bytes]
    body: bytes

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")


Handler = Callable[[Request], bytes | Awaitable[bytes]]
_date_of: dict[int, str] = {}


def http_date(second: int) -> str:
    """`second` as HTTP writes it; remembered, since thousands of answers share one."""
    if second not in _date_of:
        if len(_date_of) > 100_000:
            _date_of.clear()
        _date_of[second] = formatdate(second, usegmt=True)
    return _date_of[second]


def answer(status: int = 200, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """A whole answer; `length` differs from that of the body where a HEAD is answered."""
    lines = [
        f"HTTP/1.1 {status} {_PHRASES.get(status, 'Other')}",
        f"Date: {http_date(int(time.time()))}",
        "Server: chaos",
        "x-amz-request-id: 0",
        *headers,
    ]
    if status != 204:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Connection(asyncio.Protocol):
    """One client; its requests are answered one after another."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._received = bytearray()
        self._head: Request | None = None
        self._missing = 0
        self._later: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._later is not None:
            self._later.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._later is None and (request := self._next_request()) is not None:
            said = self._handle(request)
            if isinstance(said, bytes):
                self._transport.write(said)
            else:
                self._later = asyncio.ensure_future(said)
                self._later.add_done_callback(self._say_later)

    def _say_later(self, said: "asyncio.Future[bytes]") -> None:
        self._later = None
        if said.cancelled() or self._transport.is_closing():
            return
        self._transport.write(said.result())
        self.data_received(b"")

    def _next_request(self) -> Request | None:
        if self._head is None:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return None
            self._head = _parsed(bytes(self._received[:end]))
            del self._received[: end + 4]
            self._missing = int(self._head.headers.get(b"content-length", 0))
            if b"expect" in self._head.headers:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(self._received) < self._missing:
            return None
        request, self._head = self._head, None
        request.body = bytes(self._received[: self._missing])
        del self._received[: self._missing]
        return request


def _parsed(head: bytes) -> Request:
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.decode("latin-1").split(" ", 2)
    headers = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    path, _, query = target.partition("?")
    asked = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
    return Request(method, unquote(path), asked, headers, b"")
