import asyncio

from s3pipelines.core.storage.http.pace import Pace, Room, pause_s


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_server_that_is_overtaxed_is_asked_half_as_much() -> None:
    pace = Pace(32, Clock())
    pace.slow_down(99.0)
    assert pace.allowed == 16


def test_requests_that_were_under_way_together_count_once() -> None:
    clock = Clock()
    pace = Pace(32, clock)
    for _ in range(20):
        pace.slow_down(99.0)
    assert pace.allowed == 16
    clock.now = 102.0
    pace.slow_down(101.0)
    assert pace.allowed == 8


def test_it_never_stops_altogether() -> None:
    clock = Clock()
    pace = Pace(4, clock)
    for second in range(10):
        clock.now = 101.0 + second
        pace.slow_down(clock.now)
        clock.now += 0.5
    assert pace.allowed == 1


def test_it_comes_back_one_by_one_and_not_beyond_the_most() -> None:
    pace = Pace(8, Clock())
    pace.slow_down(99.0)
    for _ in range(5):
        pace.went_well()
    assert pace.allowed == 5
    for _ in range(500):
        pace.went_well()
    assert pace.allowed == 8


def test_pauses_grow_but_stay_bearable() -> None:
    assert all(0 <= pause_s(attempt) <= min(20.0, 0.1 * 2**attempt) for attempt in range(1, 40))


def test_a_room_lets_as_many_in_as_the_pace_allows_and_the_others_in_their_order():
    async def run() -> tuple[int, list[int]]:
        pace = Pace(3)
        room, inside, most, order = Room(pace), 0, 0, []

        async def visit(number: int) -> None:
            nonlocal inside, most
            async with room:
                inside += 1
                most = max(most, inside)
                order.append(number)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*map(visit, range(20)))
        return most, order

    most, order = asyncio.run(run())
    assert most == 3
    assert order == list(range(20))


def test_whoever_gives_up_waiting_for_a_room_leaves_the_place_to_others():
    async def run() -> list[str]:
        room, entered = Room(Pace(1)), []

        async def visit(name: str) -> None:
            async with room:
                entered.append(name)
                await asyncio.sleep(0.01)

        first, second, third = (asyncio.create_task(visit(name)) for name in ("a", "b", "c"))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        await visit("d")
        return entered

    assert asyncio.run(run()) == ["a", "c", "d"]
