from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.sources.estimates import estimate

MB = 1_000_000


def test_nothing_asked_for_costs_nothing() -> None:
    none = estimate(1_000_000, 10**15, ())
    assert (none.read_bytes, none.get_requests, none.put_requests, none.usd) == (0, 0, 0, 0)
    assert none.objects == 1_000_000


def test_headers_read_a_little_of_each_object_and_write_nothing() -> None:
    found = estimate(1_000, 1_000 * 20 * MB, ("headers",))
    assert found.get_requests == 1_000
    assert found.put_requests == 0
    assert found.read_bytes == 1_000 * 64 * 1024


def test_no_more_is_read_than_there_is() -> None:
    assert estimate(1_000, 5_000, ("headers", "hdf5")).read_bytes == 10_000


def test_thumbnails_read_everything_once_and_write_one_object_each() -> None:
    found = estimate(1_000, 1_000 * 20 * MB, ("thumbnails",))
    assert (found.get_requests, found.put_requests) == (1_000, 1_000)
    assert found.read_bytes == 1_000 * 20 * MB


def test_fifty_million_thumbnails_cost_what_the_price_list_says() -> None:
    # 50 M GET at $0.0004 and 50 M PUT at $0.005 the thousand.
    assert round(estimate(50_000_000, 10**15, ("thumbnails",)).usd) == 20 + 250


def test_each_pyramid_goes_up_in_at_least_one_part() -> None:
    # Start, one part and end for each, however small they are.
    assert estimate(1_000, 1_000, ("pyramids",)).put_requests == 3_000


def test_a_large_pyramid_goes_up_in_many_parts() -> None:
    assert estimate(1, 8 * 1024 * 1024 * 100, ("pyramids",)).put_requests == 102


@given(
    objects=st.integers(0, 10**9),
    size_bytes=st.integers(0, 10**18),
    derive=st.lists(st.sampled_from(["headers", "thumbnails", "pyramids", "hdf5"]), unique=True),
)
def test_derivatives_together_cost_as_much_as_one_by_one(
    objects: int, size_bytes: int, derive: list[str]
) -> None:
    together = estimate(objects, size_bytes, derive)  # pyright: ignore[reportArgumentType]
    alone = [estimate(objects, size_bytes, [one]) for one in derive]  # pyright: ignore[reportArgumentType]
    assert together.get_requests == sum(one.get_requests for one in alone)
    assert together.put_requests == sum(one.put_requests for one in alone)
    assert together.read_bytes == sum(one.read_bytes for one in alone)
    assert abs(together.usd - sum(one.usd for one in alone)) <= 1e-9 * together.usd
