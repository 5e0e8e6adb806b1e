"""Many of the same at a time in one event loop; the first error ends all of them."""

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
