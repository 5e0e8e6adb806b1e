"""How much may be in memory at a time, whatever is under way."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class MemoryRoom:
    """Lets pieces of bytes in, in their order, as long as all together stay below a bound.

    What is larger than the bound gets in alone. Used by one event loop.

    Args:
        most_bytes: The bound.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._inside = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def of(self, size_bytes: int) -> AsyncIterator[None]:
        """Hold room for so many bytes for as long as the block runs."""
        await self._enter(size_bytes)
        try:
            yield
        finally:
            self._leave(size_bytes)

    def _fits(self, size_bytes: int) -> bool:
        return not self._inside or self._inside + size_bytes <= self._most

    async def _enter(self, size_bytes: int) -> None:
        if not self._waiting and self._fits(size_bytes):
            self._inside += size_bytes
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((size_bytes, place))
        try:
            await place  # Whoever wakes this one has counted it in.
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave(size_bytes)
            raise

    def _leave(self, size_bytes: int) -> None:
        self._inside -= size_bytes
        while self._waiting and (self._waiting[0][1].done() or self._fits(self._waiting[0][0])):
            size, place = self._waiting.popleft()
            if not place.done():
                self._inside += size
                place.set_result(None)
