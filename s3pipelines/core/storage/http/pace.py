"""How many requests may be under way: fewer when the server asks to slow down, then more again."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

_LONGEST_PAUSE_S = 20.0
_FIRST_PAUSE_S = 0.1


class Pace:
    """Halves when the server is overtaxed, and grows by one each time that so many went well.

    The rule of TCP's congestion avoidance: additive increase, multiplicative decrease.

    Args:
        most: Most requests at a time.
        clock: Seconds; for tests.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._allowed = float(most)
        self._clock = clock
        self._slowed_at = float("-inf")

    @property
    def allowed(self) -> int:
        """How many requests may be under way at this moment."""
        return int(self._allowed)

    def went_well(self) -> None:
        """A request was answered."""
        self._allowed = min(self._most, self._allowed + 1 / self._allowed)

    def slow_down(self, asked_at: float) -> None:
        """A request that was sent at `asked_at` was answered by "slow down".

        All those under way say so together; only the first of them counts.
        """
        if asked_at > self._slowed_at:
            self._slowed_at = self._clock()
            self._allowed = max(1.0, self._allowed / 2)


class Room:
    """Lets as many requests through at a time as the pace allows; the others wait in their order.

    Used by one event loop, as `async with`.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if not self._waiting and self._inside < self._pace.allowed:
            self._inside += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place  # Whoever wakes this one has counted it in.
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        while self._waiting and self._inside < self._pace.allowed:
            place = self._waiting.popleft()
            if not place.done():
                self._inside += 1
                place.set_result(None)


def pause_s(attempt: int) -> float:
    """How long to wait after a failed attempt, in seconds: longer each time, and by chance.

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (full jitter).
    """
    return random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt))
