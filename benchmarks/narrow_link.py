"""A link of so many MB/s to a server on this machine, which else would have none to speak of.

Each direction has its own share, which all connections have together: as a machine's network has,
and stricter than S3, where each connection has about 90 MB/s of its own.
"""

import socket
import threading
import time
import urllib.parse
from contextlib import suppress
from types import TracebackType
from typing import Self

_PIECE_BYTES = 256 * 1024


class NarrowLink:
    """Carries connections to a server at a bounded pace, within its block.

    Args:
        endpoint: Of the server, `http://HOST:PORT`.
        mb_per_s: MB (10^6 bytes) a second in each direction.

    Attributes:
        endpoint: Where the link begins.
    """

    def __init__(self, endpoint: str, mb_per_s: float) -> None:
        parts = urllib.parse.urlsplit(endpoint)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._up, self._down = _Pace(mb_per_s * 1e6), _Pace(mb_per_s * 1e6)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Else the thread that waits for connections keeps the port.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            for origin, target, pace in (
                (client, server, self._up),
                (server, client, self._down),
            ):
                for one in (origin, target):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=_carry, args=(origin, target, pace), daemon=True).start()


class _Pace:
    """When the next bytes may pass."""

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._free_at = 0.0
        self._lock = threading.Lock()

    def wait(self, size_bytes: int) -> None:
        """Wait until so many bytes more have passed."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + size_bytes / self._bytes_per_s
            left_s = self._free_at - time.monotonic()
        time.sleep(max(0.0, left_s))


def _carry(origin: socket.socket, target: socket.socket, pace: _Pace) -> None:
    piece = memoryview(bytearray(_PIECE_BYTES))
    with suppress(OSError):
        while size_bytes := origin.recv_into(piece):
            pace.wait(size_bytes)
            target.sendall(piece[:size_bytes])
    for one in (origin, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
