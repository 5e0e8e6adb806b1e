"""Sending requests that somebody else has signed, without any credentials."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from botocore.utils import get_environ_proxies

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import botocore_session
from s3pipelines.core.storage.http.connection import Body, Reply
from s3pipelines.core.storage.http.connections import Connections
from s3pipelines.core.storage.http.patience import PatientClient
from s3pipelines.core.storage.http.places import tls_of

_READ_S = 60
_PIECE_BYTES = 1024 * 1024


def origin_of(url: str) -> str:
    """The server that a URL is for, as `https://host[:port]`.

    Raises:
        InvalidInput: It is none of HTTP.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(
            f"{url[:100]!r} is no URL of a server.", hint="Presign it anew, and copy all of it."
        )
    return f"{parts.scheme}://{parts.netloc}"


class PresignedClient(PatientClient):
    """Asks one server by presigned URLs; used by one event loop, as `async with`.

    Args:
        origin: The server, see `origin_of`.
        most_in_flight: Most requests at a time.
    """

    def __init__(self, origin: str, *, most_in_flight: int) -> None:
        access, scheme = Access(), urlsplit(origin).scheme
        bundle = botocore_session(access).get_config_variable("ca_bundle")
        connections = Connections(
            origin,
            tls=tls_of(bundle, access) if scheme == "https" else None,
            proxy=get_environ_proxies(origin).get(scheme),
            read_timeout_s=_READ_S,
        )
        super().__init__(
            connections, max_attempts=access.max_attempts, most_in_flight=most_in_flight
        )

    async def ask(
        self,
        operation: str,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = b"",
    ) -> Reply:
        """Ask once, and again while there is hope.

        Args:
            operation: S3's name of it, for errors.
            method: As it was signed.
            url: All of it.
            headers: With lower-case names.
            body: What is sent.

        Raises:
            ClientError: The server refused, as botocore would raise it.
            BotoCoreError: Nobody answered in full.
            OSError: A body that is read from a file cannot be read.
        """
        parts = urlsplit(url)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        # `Content-Length` follows from the body.
        sent = {n: v for n, v in (headers or {}).items() if n.lower() != "content-length"}
        return await self.answer(
            operation, method, lambda: self._connections.ask(method, target, sent, body)
        )


@dataclass(frozen=True)
class FileBody:
    """A piece of a file between two texts, as a body that is read while it is sent.

    Attributes:
        path: The file.
        offset: Where the piece begins.
        size_bytes: How long it is.
        before: What comes before it.
        after: What comes after it.
    """

    path: Path
    offset: int
    size_bytes: int
    before: bytes = b""
    after: bytes = b""

    def __len__(self) -> int:
        """How many bytes are sent."""
        return len(self.before) + self.size_bytes + len(self.after)

    async def pieces(self) -> AsyncIterator[bytes]:
        """What is sent.

        Raises:
            OSError: The file cannot be read, or is shorter by now.
        """
        if self.before:
            yield self.before
        left = self.size_bytes
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            while left:
                piece = await asyncio.to_thread(file.read, min(_PIECE_BYTES, left))
                if not piece:
                    raise OSError(f"{self.path} was shortened while it was sent")
                left -= len(piece)
                yield piece
        if self.after:
            yield self.after
