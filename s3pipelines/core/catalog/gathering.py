"""Rows that come one by one, from many tasks, and are written some thousand at a time."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

_COMMIT_ROWS = 5000

T = TypeVar("T")


class Gathered(Generic[T]):
    """Takes in one after the other, and writes them every few thousand, or seconds.

    Args:
        write: Writes some; what it raises leaves them taken in.
        commit_after_s: How long they may wait for others, in seconds.
    """

    def __init__(self, write: Callable[[Sequence[T]], object], commit_after_s: float) -> None:
        self._write = write
        self._commit_after_s = commit_after_s
        self._waiting: list[T] = []
        self._since = time.monotonic()
        self._turn = threading.Lock()

    def take(self, one: T) -> bool:
        """Take one in; True if it is time for `write`."""
        self._waiting.append(one)
        old = time.monotonic() - self._since > self._commit_after_s
        return old or len(self._waiting) >= _COMMIT_ROWS

    def write(self) -> None:
        """Write all that was taken in, one thread at a time; others may take in more meanwhile."""
        with self._turn:
            some = list(self._waiting)
            self._write(some)
            del self._waiting[: len(some)]
            self._since = time.monotonic()
