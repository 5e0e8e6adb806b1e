"""One connection to a server: a request is sent, and its answer read, again and again."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

# Answers before the answer proper, such as 100 Continue.
_FIRST_FINAL_STATUS = 200
_FIRST_NOT_WELL = 300
_WITHOUT_BODY = (204, 304)
# Two pieces are joined sooner than written one by one.
_WORTH_JOINING_BYTES = 1 << 16


@dataclass(frozen=True)
class Reply:
    """What the server answered.

    Attributes:
        status: Of HTTP.
        headers: Their names in lower case.
        body: All of it; empty where it was asked for in pieces.
        pieces: The body as it came, where it was asked for so: to join them takes as much memory
            once more.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    pieces: tuple[bytes, ...] = ()


class Streamed(Protocol):
    """A body that is too large for memory; each time that it is sent, it is read anew."""

    def __len__(self) -> int:
        """How many bytes it has."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """Its bytes, from the first to the last."""
        ...


Body = bytes | Streamed


class BrokenConnectionError(Exception):
    """There is no whole answer.

    Attributes:
        answering: It had begun.
    """

    def __init__(self, why: str, *, answering: bool) -> None:
        super().__init__(why)
        self.answering = answering


class Connection(asyncio.Protocol):
    """Used for one request at a time, by the event loop that is running when it is made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._has_no_body = False
        self._in_pieces = False
        self._keeps = True
        self._unsent_bytes = 0
        self._heard_at = 0.0
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._await_answer()

    async def ask(
        self, head: bytes, body: Body, *, has_no_body: bool, in_pieces: bool = False
    ) -> Reply:
        """Send a request and wait for its whole answer.

        Args:
            head: The request line and the headers, with the empty line.
            body: What follows.
            has_no_body: The answer has none, whatever it says, as that to HEAD.
            in_pieces: The body of the answer is given in pieces, unless it is an error's.

        Raises:
            BrokenConnectionError: There was no whole answer.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise BrokenConnectionError("it was closed", answering=False)
        self._await_answer()
        self._has_no_body = has_no_body
        self._in_pieces = in_pieces
        self._heard_at = self._loop.time()
        reply = self._reply = self._loop.create_future()
        try:
            if not isinstance(body, bytes):
                transport.write(head)
                await self._stream(transport, body, reply)
            elif len(body) < _WORTH_JOINING_BYTES:
                transport.write(head + body)
            else:
                transport.write(head)
                transport.write(body)
            return await reply
        except (asyncio.CancelledError, OSError):
            self.close()  # Half of a request was sent, or its answer will come unasked.
            raise
        finally:
            self._reply = None

    async def _stream(
        self, transport: asyncio.Transport, body: Streamed, reply: "asyncio.Future[Reply]"
    ) -> None:
        """Send a body piece by piece, no faster than the server takes it."""
        async for piece in body.pieces():
            await self._may_write.wait()
            if reply.done():  # Refused before all was sent: what is left would be a new request.
                self._keeps = False
                return
            transport.write(piece)
            self._heard_at = self._loop.time()

    @property
    def is_usable(self) -> bool:
        """Another request can be sent."""
        return self._keeps and self._transport is not None and not self._transport.is_closing()

    def silent_s(self) -> float:
        """How long the server has been silent about a request, in seconds; 0 without one."""
        if self._reply is None or self._transport is None:
            return 0.0
        now, unsent_bytes = self._loop.time(), self._transport.get_write_buffer_size()
        if unsent_bytes != self._unsent_bytes:
            self._unsent_bytes, self._heard_at = unsent_bytes, now
        return now - self._heard_at

    def give_up(self, error: Exception) -> None:
        """End the request that is under way with an error, and the connection."""
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)
        self.close()

    def close(self) -> None:
        """End the connection without waiting for anything."""
        if self._transport is not None:
            self._transport.abort()

    async def encrypt(self, tls: ssl.SSLContext, host: str) -> None:
        """Go on with TLS, as behind a proxy that has connected to `host`."""
        if self._transport is None:
            raise BrokenConnectionError("it was closed", answering=False)
        encrypted = await self._loop.start_tls(self._transport, self, tls, server_hostname=host)
        self._transport = cast(asyncio.Transport, encrypted)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It can be written to."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Some bytes of an answer have come."""
        self._heard_at = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            why = f"the answer is not HTTP ({error})"
            self.give_up(BrokenConnectionError(why, answering=True))

    def eof_received(self) -> None:
        """No more bytes will come."""
        if self._status and self._ends_with_connection:
            self._answered()

    def pause_writing(self) -> None:
        """Enough is on its way."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        self._may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._transport = None
        self._may_write.set()
        if self._reply is not None and not self._reply.done():
            why = str(exc or "the server closed it")
            self._reply.set_exception(BrokenConnectionError(why, answering=bool(self._status)))

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header has come."""
        # As HTTP has it, Latin-1; but S3 sends what it was given, UTF-8.
        text = value.decode("utf-8", "surrogateescape")
        lowered = name.decode("latin-1").lower()
        before = self._headers.get(lowered)
        self._headers[lowered] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        """All headers have come."""
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL_STATUS:
            return
        self._status = status
        said = self._headers.get("connection", "").lower()
        is_old = self._parser.get_http_version() == "1.0"
        self._keeps = "keep-alive" in said if is_old else "close" not in said
        has_end = "content-length" in self._headers or "transfer-encoding" in self._headers
        has_body = not (self._has_no_body or status in _WITHOUT_BODY)
        self._ends_with_connection = has_body and not has_end
        if self._has_no_body:
            self._answered()

    def on_body(self, body: bytes) -> None:
        """A piece of the body has come."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The answer has come."""
        if self._status:
            self._answered()
        else:
            self._headers = {}

    def _await_answer(self) -> None:
        # A new parser, as one that was told of a body that never came would wait for it.
        self._parser = httptools.HttpResponseParser(self)
        self._status = 0
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._ends_with_connection = False

    def _answered(self) -> None:
        if self._reply is None or self._reply.done():
            self.close()  # It speaks unasked.
            return
        pieces = self._pieces
        if self._in_pieces and self._status < _FIRST_NOT_WELL:
            self._reply.set_result(Reply(self._status, self._headers, b"", tuple(pieces)))
            return
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._reply.set_result(Reply(self._status, self._headers, body))
