"""Proving a file while its ranges arrive: each is read, in their order, as soon as it is there.

A digest has to go through a large file from its beginning to its end. What was just written is
still in the memory of the system, and while one range is read, others arrive.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from s3pipelines.core.datasets.proofs import Prover
from s3pipelines.core.errors import StorageError

_READ_BYTES = 1024 * 1024


class Following:
    """Reads one file behind those who write it; used by one event loop.

    Args:
        path: The file.
        prover: Takes its bytes.
        range_bytes: The size of each range but the last.
        there: The ranges that are there already.
    """

    def __init__(self, path: Path, prover: Prover, range_bytes: int, there: set[int]) -> None:
        self._path = path
        self._prover = prover
        self._range_bytes = range_bytes
        self._there = there
        self._news = asyncio.Event()

    def arrived(self, number: int) -> None:
        """A range was written."""
        self._there.add(number)
        self._news.set()

    @asynccontextmanager
    async def through(self, ranges: int) -> AsyncIterator[Prover]:
        """Follow those who write in the block; the prover has all of it behind the block.

        Raises:
            StorageError: The file cannot be read.
        """
        task = asyncio.create_task(self._follow(ranges))
        try:
            yield self._prover
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow(self, ranges: int) -> None:
        for number in range(ranges):
            while number not in self._there:
                self._news.clear()
                await self._news.wait()
            self._there.discard(number)
            await asyncio.to_thread(self._read, number)

    def _read(self, number: int) -> None:
        left = self._range_bytes
        try:
            with self._path.open("rb", buffering=0) as file:
                file.seek(number * self._range_bytes)
                while left and (body := file.read(min(_READ_BYTES, left))):
                    self._prover.update(body)
                    left -= len(body)
        except OSError as error:
            raise StorageError(
                f"{self._path} cannot be read ({error.strerror or error}).",
                hint="Check the permissions of the folder, and its disk.",
            ) from error
