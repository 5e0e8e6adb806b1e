"""Asking a server again while there is hope, at the pace that it bears."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ProxyConnectionError,
    ReadTimeoutError,
)

from s3pipelines.core.storage.http.answers import client_error, error_code, late_status
from s3pipelines.core.storage.http.connection import Reply
from s3pipelines.core.storage.http.connections import Connections
from s3pipelines.core.storage.http.pace import Pace, Room, pause_s

# What may go well another time.
_BROKEN = (
    EndpointConnectionError,
    ConnectTimeoutError,
    ProxyConnectionError,
    ReadTimeoutError,
    IncompleteReadError,
)
_OVERTAXED = (429, 503)
_FAILED_FOR_NOW = (500, 502, 504, 408)
# Refused, but only because something else was under way with the same key; or because the body
# came too slowly.
_REFUSED_FOR_NOW = {
    400: ("RequestTimeout",),
    409: ("OperationAborted", "ConditionalRequestConflict"),
}
# "Slow down" means later, not never: with the pace halved each time, it is tried longer.
_MORE_ATTEMPTS_WHEN_OVERTAXED = 2


class PatientClient:
    """What all clients of one server have; used by one event loop, as `async with`.

    Args:
        connections: To the server.
        max_attempts: How often a request is tried.
        most_in_flight: Most requests at a time.
    """

    def __init__(self, connections: Connections, *, max_attempts: int, most_in_flight: int) -> None:
        self.pace = Pace(most_in_flight)
        self._room = Room(self.pace)
        self._connections = connections
        self._max_attempts = max_attempts

    async def __aenter__(self) -> Self:
        await self._connections.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._connections.__aexit__(kind, error, traceback)

    async def answer(
        self, operation: str, method: str, ask_once: Callable[[], Awaitable[Reply]]
    ) -> Reply:
        """Ask once, and again while there is hope.

        Args:
            operation: S3's name of it, for errors.
            method: In capitals.
            ask_once: Asks.

        Raises:
            ClientError: The server refused, as botocore would raise it.
            BotoCoreError: Nobody answered in full, or there are no keys.
        """
        attempt = 0
        while True:
            attempt += 1
            asked_at = time.monotonic()
            try:
                async with self._room:
                    reply = await ask_once()
            except _BROKEN:
                if attempt >= self._max_attempts:
                    raise
            else:
                status = reply.status
                if status < 300 and method in ("PUT", "POST") and reply.body:
                    status = late_status(status, reply)
                if status < 300:
                    self.pace.went_well()
                    return reply
                if not self._hopeful(status, reply, attempt, asked_at):
                    raise client_error(operation, status, reply, attempt - 1)
            await asyncio.sleep(pause_s(attempt))

    def _hopeful(self, status: int, reply: Reply, attempt: int, asked_at: float) -> bool:
        most = self._max_attempts
        if status in _OVERTAXED:
            self.pace.slow_down(asked_at)
            return attempt < (most * _MORE_ATTEMPTS_WHEN_OVERTAXED if most > 1 else 1)
        if attempt >= most:
            return False
        codes = _REFUSED_FOR_NOW.get(status, ())
        return status in _FAILED_FOR_NOW or (bool(codes) and error_code(reply.body) in codes)
