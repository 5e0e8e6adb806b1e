"""Asking S3 about one bucket: signed, retried, at the pace that the server bears."""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from xml.etree import ElementTree

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ProxyConnectionError,
    ReadTimeoutError,
)

from s3pipelines.core.storage.http.connection import Reply
from s3pipelines.core.storage.http.connections import Connections
from s3pipelines.core.storage.http.pace import Pace, Room, pause_s
from s3pipelines.core.storage.http.places import BucketPlace
from s3pipelines.core.storage.http.signing import (
    EMPTY_SHA256,
    Request,
    path_of,
    query_of,
    signed_headers,
    written_now,
)

_READ_S = 60
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
# A copy is answered with 200 as soon as it has begun, so that its failure stands in the body.
_STATUS_OF_LATE_ERROR = {"InternalError": 500, "SlowDown": 503, "ServiceUnavailable": 503}
# "Slow down" means later, not never: with the pace halved each time, it is tried longer.
_MORE_ATTEMPTS_WHEN_OVERTAXED = 2


@dataclass(frozen=True)
class _Asking:
    """What is asked; see `BucketClient.ask`.

    Attributes:
        payload: SHA-256 of the body, in hexadecimal.
    """

    method: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    payload: str


class BucketClient:
    """Asks about one bucket; used by one event loop, as `async with`.

    Args:
        place: Where it is.
        most_in_flight: Most requests at a time.
        read_timeout_s: How long a request may stay without a byte of answer, in seconds.
    """

    def __init__(
        self, place: BucketPlace, *, most_in_flight: int, read_timeout_s: float = _READ_S
    ) -> None:
        self.pace = Pace(most_in_flight)
        self._room = Room(self.pace)
        self._place = place
        self._most = most_in_flight
        self._read_timeout_s = read_timeout_s

    @property
    def bucket(self) -> str:
        """The bucket that it asks about."""
        return self._place.bucket

    async def __aenter__(self) -> Self:
        place = self._place
        self._connections = Connections(
            place.origin, tls=place.tls, proxy=place.proxy, read_timeout_s=self._read_timeout_s
        )
        await self._connections.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._connections.__aexit__(kind, error, traceback)

    async def ask(
        self,
        operation: str,
        method: str,
        *,
        key: str = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        sha256: str | None = None,
    ) -> Reply:
        """Ask once, and again while there is hope.

        A request that writes may be repeated after its answer was lost. Where it has a
        precondition, it is then refused because of itself: the error says how often it was tried
        (`RetryAttempts`, as botocore has it).

        Args:
            operation: S3's name of it, for errors.
            method: In capitals.
            key: Of an object; none for the bucket.
            query: Parameters.
            headers: Others, with lower-case names.
            body: What is sent; held in memory.
            sha256: Of the body, in hexadecimal, where it is known: it is signed, so that a server
                that verifies signatures takes no other body.

        Raises:
            ClientError: The server refused, as botocore would raise it.
            BotoCoreError: Nobody answered in full, or there are no keys.
        """
        payload = sha256 or (hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256)
        attempt = 0
        while True:
            attempt += 1
            asked_at = time.monotonic()
            try:
                async with self._room:
                    reply = await self._ask_once(
                        _Asking(method, key, query or {}, headers or {}, body, payload)
                    )
            except _BROKEN:
                if attempt >= self._place.max_attempts:
                    raise
            else:
                status = reply.status
                if status < 300 and method in ("PUT", "POST") and reply.body:
                    status = _late_status(status, reply)
                if status < 300:
                    self.pace.went_well()
                    return reply
                if not self._hopeful(status, reply, attempt, asked_at):
                    raise _client_error(operation, status, reply, attempt - 1)
            await asyncio.sleep(pause_s(attempt))

    def _hopeful(self, status: int, reply: Reply, attempt: int, asked_at: float) -> bool:
        most = self._place.max_attempts
        if status in _OVERTAXED:
            self.pace.slow_down(asked_at)
            return attempt < (most * _MORE_ATTEMPTS_WHEN_OVERTAXED if most > 1 else 1)
        if attempt >= most:
            return False
        codes = _REFUSED_FOR_NOW.get(status, ())
        return status in _FAILED_FOR_NOW or (bool(codes) and error_code(reply.body) in codes)

    async def _ask_once(self, asking: _Asking) -> Reply:
        path, parameters = path_of(self._place.path, asking.key), query_of(asking.query)
        target = f"{path}?{parameters}" if parameters else path
        headers = await self._headers(asking, path, parameters)
        return await self._connections.ask(asking.method, target, headers, asking.body)

    async def _headers(self, asking: _Asking, path: str, query: str) -> dict[str, str]:
        keys = await self._place.keys()
        asked = dict(asking.headers)
        if self._place.requester_pays:
            asked["x-amz-request-payer"] = "requester"
        if keys is None:
            return asked
        host = self._place.host
        request = Request(asking.method, host, path, query, asked, asking.payload)
        return signed_headers(request, keys, self._place.region, written_now())


def error_code(body: bytes) -> str:
    """The code of an error in XML; empty if it is none."""
    return _error(body).get("Code", "")


def _error(body: bytes) -> dict[str, str]:
    try:
        root = ElementTree.fromstring(body) if body else None
    except ElementTree.ParseError:
        return {}
    if root is None or root.tag.rpartition("}")[2] != "Error":
        return {}
    return {part.tag.rpartition("}")[2]: part.text or "" for part in root}


def _late_status(status: int, reply: Reply) -> int:
    """The status that an answer would have had, had it been sent when the work was done."""
    if b"<Error" not in reply.body[:200]:
        return status
    # What was deleted lists errors of single keys, and is none itself.
    code = error_code(reply.body)
    return _STATUS_OF_LATE_ERROR.get(code, 400) if code else status


def _client_error(operation: str, status: int, reply: Reply, retries: int) -> ClientError:
    """The error that botocore would raise; a HEAD has no body, and its code is the status."""
    said = {"Code": str(status), "Message": ""} | _error(reply.body)
    if reply.body and not said["Message"] and said["Code"] == str(status):
        said["Message"] = reply.body[:200].decode(errors="replace")
    metadata = {
        "HTTPStatusCode": status,
        "HTTPHeaders": dict(reply.headers),
        "RetryAttempts": retries,
    }
    return ClientError({"Error": said, "ResponseMetadata": metadata}, operation)  # pyright: ignore[reportArgumentType]
