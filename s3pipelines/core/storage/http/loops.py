"""Asynchronous work for callers that are not: at once, or in the background while they go on."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

import uvloop

T = TypeVar("T")
_CALLED_OFF_WITHIN_S = 5


@contextmanager
def imports_put_aside() -> Iterator[None]:
    """Spare the garbage collector what was there before the body.

    Everything that was imported is looked through by each of its full runs, a tenth of the time of
    a listing.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class LoopThread:
    """An event loop in a thread of its own, for a caller that waits for it; as `with`.

    The caller's thread may have a loop that is running, as in a notebook.
    """

    def __enter__(self) -> Self:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="s3pipelines-s3", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Whoever was interrupted has left work behind, which ends with its connections closed.
        asyncio.run_coroutine_threadsafe(_called_off(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for `work` and return what it gives, or raise what it raises."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def soon(self, call: Callable[[], object]) -> None:
        """Have the loop call `call`, without waiting for it."""
        self._loop.call_soon_threadsafe(call)


async def _called_off() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CALLED_OFF_WITHIN_S)
        # Connections are closed in the next turn of the loop.
        await asyncio.sleep(0)


class _End:
    """The last thing that the background says: that all went well, or what went wrong."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def in_background(produce: Callable[[], AsyncIterator[T]], ahead: int) -> Generator[T, None, None]:
    """What an asynchronous iterator gives, computed in a thread while the caller is busy.

    Args:
        produce: Makes the iterator, in the event loop of that thread.
        ahead: It stops after so many that the caller has not asked for yet.

    Yields:
        The items in their order. Closing this generator ends the work.
    """
    given: SimpleQueue[T | _End] = SimpleQueue()
    background = _Background(produce, ahead, given)
    thread = threading.Thread(target=background.run, name="s3pipelines-s3", daemon=True)
    thread.start()
    try:
        while True:
            item = given.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
            background.made_room()
    finally:
        background.stop()
        thread.join()


class _Background:
    def __init__(
        self,
        produce: Callable[[], AsyncIterator[T]],
        ahead: int,
        given: "SimpleQueue[T | _End]",
    ) -> None:
        self._produce = produce
        self._given = given
        self._room = asyncio.Semaphore(ahead)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._starting = threading.Lock()

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._main())
        except asyncio.CancelledError:
            self._given.put(_End())
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are taken
            self._given.put(_End(error))
        else:
            self._given.put(_End())

    def made_room(self) -> None:
        self._soon(self._room.release)

    def stop(self) -> None:
        with self._starting:
            self._stopped = True
        if self._task is not None:
            self._soon(self._task.cancel)

    async def _main(self) -> None:
        with self._starting:
            if self._stopped:
                return
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        async for item in self._produce():
            await self._room.acquire()
            self._given.put(item)

    def _soon(self, call: Callable[[], object]) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(call)
        except RuntimeError:
            return  # The loop has ended by itself.
