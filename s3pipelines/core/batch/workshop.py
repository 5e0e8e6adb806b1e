"""What the conversions of one process share: workers, and how much may be on its way at a time."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import BinaryIO, TypeVar

from s3pipelines.core.imaging.extensions import READABLE
from s3pipelines.core.imaging.fetching import IN_MEMORY_BYTES, check_input, refuse_unreadable
from s3pipelines.core.imaging.headers import FIRST_BYTES
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.wishes import Item
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.read import read_range

Result = TypeVar("Result")
# Beside the images that are decoded right now, some are fetched or written, so that no worker waits
# for the network.
_MORE_THAN_WORKERS = 8
_IN_MEMORY_BYTES = 256 * 1024 * 1024
_RANGE_BYTES = 8 * 1024 * 1024
# Each holds up to eight parts of 8 MB.
_LARGE_UPLOADS = 2


class AsyncBudget:
    """Bytes that may be held at a time; who wants more waits. One alone is never refused."""

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = total_bytes
        self._used_bytes = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def hold(self, size_bytes: int) -> AsyncIterator[None]:
        """Hold so many bytes of it."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: not self._used_bytes or self._used_bytes + size_bytes <= self._total_bytes
            )
            self._used_bytes += size_bytes
        try:
            yield
        finally:
            async with self._changed:
                self._used_bytes -= size_bytes
                self._changed.notify_all()


class Workshop:
    """Workers, and room for images on their way to them and from them; for one event loop.

    Memory is bounded whatever a plan holds: workers are as many as the machine's budget allows,
    and few images are in flight, small ones in memory and large ones in files without names.

    Args:
        pool: Where images are decoded.
    """

    def __init__(self, pool: DecodePool) -> None:
        self.pool = pool
        self.reader_version = pool.reader_version
        self.large_uploads = asyncio.Semaphore(_LARGE_UPLOADS)
        self._threads = ThreadPoolExecutor(pool.workers, thread_name_prefix="converting")
        self._places = asyncio.Semaphore(pool.workers + _MORE_THAN_WORKERS)
        self._memory = AsyncBudget(_IN_MEMORY_BYTES)
        self._disk = AsyncBudget(2 * pool.limits.max_input_bytes)

    def close(self) -> None:
        """End what is begun."""
        self.pool.close()
        self._threads.shutdown(cancel_futures=True)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One of the places for images that are in flight."""
        async with self._places:
            yield

    async def in_thread(self, work: Callable[[], Result]) -> Result:
        """Do something that waits for a worker, while others go on."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    @asynccontextmanager
    async def fetched(self, client: BucketClient, item: Item) -> AsyncIterator[bytes | BinaryIO]:
        """All of an object, in the state that its ETag names.

        Raises:
            Refused: It cannot be decoded here, by its size or its first bytes.
            StorageError: It cannot be read, or has another ETag by now.
        """
        check_input(item, self.pool.limits.max_input_bytes)
        if item.extension not in READABLE and item.size_bytes > FIRST_BYTES:
            head = await read_range(client, item.key, 0, FIRST_BYTES, etag=item.etag)
            refuse_unreadable(head, item.extension)
        if item.size_bytes <= IN_MEMORY_BYTES:
            async with self._memory.hold(item.size_bytes):
                yield b"".join([part async for part in _parts(client, item)])
            return
        async with self._disk.hold(item.size_bytes):
            with tempfile.TemporaryFile() as file:
                async for part in _parts(client, item):
                    await asyncio.to_thread(file.write, part)
                file.flush()
                yield file


@asynccontextmanager
async def open_workshop(limits: Limits) -> AsyncIterator[Workshop]:
    """A workshop whose workers end with it."""
    pool = DecodePool(limits)
    try:
        workshop = await asyncio.to_thread(Workshop, pool)
    except BaseException:
        pool.close()
        raise
    try:
        yield workshop
    finally:
        await asyncio.to_thread(workshop.close)


async def _parts(client: BucketClient, item: Item) -> AsyncIterator[bytes]:
    for offset in range(0, item.size_bytes, _RANGE_BYTES):
        length = min(_RANGE_BYTES, item.size_bytes - offset)
        yield await read_range(client, item.key, offset, length, etag=item.etag)
