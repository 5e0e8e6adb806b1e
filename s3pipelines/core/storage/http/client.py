"""Asking S3 about one bucket: signed, retried, at the pace that the server bears."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from s3pipelines.core.storage.http.connection import Reply
from s3pipelines.core.storage.http.connections import Connections
from s3pipelines.core.storage.http.patience import PatientClient
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
    in_pieces: bool = False


class BucketClient(PatientClient):
    """Asks about one bucket; used by one event loop, as `async with`.

    Args:
        place: Where it is.
        most_in_flight: Most requests at a time.
        read_timeout_s: How long a request may stay without a byte of answer, in seconds.
    """

    def __init__(
        self, place: BucketPlace, *, most_in_flight: int, read_timeout_s: float = _READ_S
    ) -> None:
        connections = Connections(
            place.origin, tls=place.tls, proxy=place.proxy, read_timeout_s=read_timeout_s
        )
        super().__init__(
            connections, max_attempts=place.max_attempts, most_in_flight=most_in_flight
        )
        self._place = place

    @property
    def bucket(self) -> str:
        """The bucket that it asks about."""
        return self._place.bucket

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
        asking = _Asking(method, key, query or {}, headers or {}, body, payload)
        return await self.answer(operation, method, lambda: self._ask_once(asking))

    async def get_pieces(
        self, operation: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[bytes, ...]:
        """GET something large, in the pieces in which it came; else as `ask`.

        Raises:
            ClientError: The server refused, as botocore would raise it.
            BotoCoreError: Nobody answered in full, or there are no keys.
        """
        asking = _Asking("GET", key, query, headers, b"", EMPTY_SHA256, in_pieces=True)
        reply = await self.answer(operation, "GET", lambda: self._ask_once(asking))
        return reply.pieces

    async def _ask_once(self, asking: _Asking) -> Reply:
        path, parameters = path_of(self._place.path, asking.key), query_of(asking.query)
        target = f"{path}?{parameters}" if parameters else path
        headers = await self._headers(asking, path, parameters)
        return await self._connections.ask(
            asking.method, target, headers, asking.body, in_pieces=asking.in_pieces
        )

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
