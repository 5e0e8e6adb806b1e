"""A server that says, byte for byte, what a test has it say."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """What it was told, and where it listens.

    Attributes:
        heads: Request lines and headers, as they came.
        connections: How often it was connected to.
    """

    port: int = 0
    heads: list[str] = field(default_factory=list)
    connections: int = 0

    @property
    def origin(self) -> str:
        """Its address, without TLS."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def answering(
    *answers: bytes | None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """A server with an answer for each request, over all connections.

    None hangs up, as does any answer with these words in it; b"" says nothing.
    """
    left = list(answers)
    server = RawServer()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                server.heads.append(head.decode())
                answer = left.pop(0)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
                if b"hang up" in answer:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async with listening(speak, tls) as port:
        server.port = port
        yield server


@asynccontextmanager
async def listening(speak: Speak, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server that speaks like this."""
    speaking: set[asyncio.Task[None]] = set()

    async def started(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(speak(reader, writer))
        speaking.add(task)
        await asyncio.wait([task])

    listener = await asyncio.start_server(started, "127.0.0.1", 0, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task in speaking:
            task.cancel()
        await asyncio.gather(*speaking, return_exceptions=True)
