"""The connections to one server, which are kept for the next request.

Why no library does this: docs/decisions/0016-connections.md. A request is never repeated here:
whoever asks decides that.
"""

import asyncio
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from botocore.exceptions import EndpointConnectionError, IncompleteReadError, ReadTimeoutError

from s3pipelines.core.storage.http.connecting import Connector
from s3pipelines.core.storage.http.connection import (
    Body,
    BrokenConnectionError,
    Connection,
    Reply,
)
from s3pipelines.core.storage.http.endpoints import Endpoint

_USER_AGENT = "s3pipelines"
# How late, as a share of it, the end of a time that was allowed may be seen.
_LATE = 0.05


class Connections:
    """Asks one server; used by one event loop, as `async with`.

    There are as many connections as there were requests at a time.

    Args:
        origin: `https://host[:port]`.
        tls: How the server is recognised; None without TLS.
        proxy: The proxy to ask through, as an URL; None for none.
        read_timeout_s: How long a request may stay without a byte of answer, in seconds.
    """

    def __init__(
        self, origin: str, *, tls: ssl.SSLContext | None, proxy: str | None, read_timeout_s: float
    ) -> None:
        self._origin = origin
        self._host = Endpoint.of(origin).netloc
        self._read_timeout_s = read_timeout_s
        self._connector = Connector(origin, tls, proxy)
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()

    async def __aenter__(self) -> Self:
        self._watch = asyncio.create_task(self._give_up_the_silent())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._watch.cancel()
        for connection in self._all:
            connection.close()
        await asyncio.sleep(0)  # For the event loop to close them.

    async def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body,
        *,
        in_pieces: bool = False,
    ) -> Reply:
        """Ask once.

        Args:
            method: In capitals.
            target: Path and query, percent-encoded.
            headers: With lower-case names.
            body: What is sent.
            in_pieces: The body of the answer is given in pieces.

        Raises:
            EndpointConnectionError: Nobody answered.
            ConnectTimeoutError: Nobody took the call in time.
            ReadTimeoutError: The server fell silent.
            IncompleteReadError: The answer broke off.
            SSLError: The server is not recognised.
            OSError: A body that is read from a file cannot be read.
            ValueError: A header cannot be sent.
        """
        head = self._head(method, target, headers, body)
        connection = self._kept() or await self._connected()
        try:
            return await connection.ask(
                head, body, has_no_body=method == "HEAD", in_pieces=in_pieces
            )
        except BrokenConnectionError as error:
            if error.answering:
                raise IncompleteReadError(actual_bytes=0, expected_bytes=0) from error
            raise EndpointConnectionError(endpoint_url=self._origin, error=error) from error
        finally:
            if connection.is_usable:
                self._idle.append(connection)
            else:
                connection.close()
                self._all.discard(connection)

    def _head(self, method: str, target: str, headers: Mapping[str, str], body: Body) -> bytes:
        lines = [f"{method} {self._connector.target_prefix}{target} HTTP/1.1"]
        if "host" not in headers:
            lines.append(f"host: {self._host}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if len(body) or method in ("PUT", "POST"):
            lines.append(f"content-length: {len(body)}")
        lines.append(f"user-agent: {_USER_AGENT}")
        lines += self._connector.headers
        head = "\r\n".join(lines) + "\r\n\r\n"
        # No value may smuggle in a line of its own.
        if head.count("\r") != len(lines) + 1 or head.count("\n") != len(lines) + 1 or "\0" in head:
            raise ValueError(f"This cannot be sent as headers: {lines!r}.")
        return head.encode("utf-8", "surrogateescape")

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
            self._all.discard(connection)
        return None

    async def _connected(self) -> Connection:
        connection = await self._connector.connect()
        self._all.add(connection)
        return connection

    async def _give_up_the_silent(self) -> None:
        while True:
            await asyncio.sleep(self._read_timeout_s * _LATE)
            for connection in list(self._all):
                if connection.silent_s() > self._read_timeout_s:
                    connection.give_up(ReadTimeoutError(endpoint_url=self._origin, error="silence"))
