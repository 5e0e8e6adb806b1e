"""Many of the same at a time in one event loop; the first error ends it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from s3pipelines.core.errors import BadCredentials, NoSuchBucket, WrongRegion

T = TypeVar("T")
# No other object of the bucket would fare better.
OF_ALL_OBJECTS = (BadCredentials, NoSuchBucket, WrongRegion)


async def work_through(
    upcoming: Iterator[T], do: Callable[[T], Awaitable[object]], at_a_time: int
) -> None:
    """Do something for each of `upcoming`, so many at a time.

    What `do` raises is raised here, after the others that are under way were cancelled.
    """

    async def worker() -> None:
        for one in upcoming:
            await do(one)

    tasks = [asyncio.create_task(worker()) for _ in range(at_a_time)]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def work_while_well(
    upcoming: Iterator[T], do: Callable[[T], Awaitable[object]], at_a_time: int
) -> None:
    """The same, but after an error those that are under way end, and no other is begun.

    For what is sent: half of a part is of no use to anybody, and a whole one is for next time.
    """
    errors: list[BaseException] = []

    async def one(item: T) -> None:
        if errors:
            return
        try:
            await do(item)
        except Exception as error:  # noqa: BLE001 - it is raised below
            errors.append(error)

    await work_through(upcoming, one, at_a_time)
    if errors:
        raise errors[0]
