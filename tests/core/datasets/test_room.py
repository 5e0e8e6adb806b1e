"""How much is in memory at a time."""

import asyncio

from s3pipelines.core.datasets.room import MemoryRoom


def _run(sizes: list[int], most: int) -> tuple[int, list[int]]:
    """Let pieces in; tell the most that was inside at once, and in which order they came."""
    inside = highest = 0
    order: list[int] = []

    async def piece(room: MemoryRoom, number: int, size: int) -> None:
        nonlocal inside, highest
        async with room.of(size):
            order.append(number)
            inside += size
            highest = max(highest, inside)
            await asyncio.sleep(0.001)
            inside -= size

    async def work() -> None:
        room = MemoryRoom(most)
        await asyncio.gather(*(piece(room, n, size) for n, size in enumerate(sizes)))

    asyncio.run(work())
    return highest, order


def test_all_together_stay_below_the_bound_in_their_order():
    highest, order = _run([4, 4, 4, 1, 8, 2], most=9)

    assert highest <= 9
    assert order == [0, 1, 2, 3, 4, 5]


def test_what_is_larger_than_the_bound_gets_in_alone():
    assert _run([3, 20, 3], most=10) == (20, [0, 1, 2])


def test_who_gives_up_waiting_leaves_room_for_the_next_one():
    async def work() -> list[str]:
        room, came = MemoryRoom(10), []

        async def piece(name: str, size: int) -> None:
            async with room.of(size):
                came.append(name)
                await asyncio.sleep(0.01)

        first = asyncio.create_task(piece("first", 10))
        await asyncio.sleep(0)
        given_up = asyncio.create_task(piece("given up", 10))
        last = asyncio.create_task(piece("last", 10))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(first, last)
        return came

    assert asyncio.run(work()) == ["first", "last"]
