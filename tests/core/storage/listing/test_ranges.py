import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.storage.listing.ranges import Span
from tests.core.storage.listing.bucket import list_by_ranges, skewed_buckets
from tests.examples import examples

# Few letters, so that keys are neighbours, prefixes of each other, and stand at the split points.
CLOSE_KEYS = st.text("a/b0\0\uffff\U0010ffff", min_size=1, max_size=6)
ANY_KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
KEYS = st.one_of(st.sets(CLOSE_KEYS, max_size=60), st.sets(ANY_KEYS, max_size=60)).map(sorted)
BUCKETS = skewed_buckets(30_000)


@examples(150)
@given(
    keys=KEYS,
    page_rows=st.integers(1, 5),
    in_flight=st.integers(1, 12),
    known=st.lists(CLOSE_KEYS, unique=True, max_size=20).map(sorted),
    shuffle=st.randoms(use_true_random=False),
)
def test_whatever_the_keys_each_is_listed_once_and_in_its_place(
    keys: list[str], page_rows: int, in_flight: int, known: list[str], shuffle: random.Random
) -> None:
    run = list_by_ranges(
        keys,
        page_rows=page_rows,
        in_flight=in_flight,
        known=known,
        known_rows=page_rows,
        shuffle=shuffle,
    )
    assert run.in_order == keys


@examples(50)
@given(keys=KEYS, page_rows=st.integers(1, 5))
def test_the_spans_of_a_listing_cover_all_keys_without_overlap(
    keys: list[str], page_rows: int
) -> None:
    spans = sorted(list_by_ranges(keys, page_rows=page_rows).keys)
    assert spans[0].start == ""
    assert spans[-1].end is None
    assert [span.end for span in spans[:-1]] == [span.start for span in spans[1:]]


@examples(50)
@given(keys=KEYS, cuts=st.lists(CLOSE_KEYS, unique=True, min_size=2, max_size=2).map(sorted))
def test_only_what_was_asked_for_is_listed(keys: list[str], cuts: list[str]) -> None:
    low, high = cuts
    run = list_by_ranges(keys, page_rows=2, spans=[Span("", low), Span(high, None)])
    assert run.in_order == [key for key in keys if not low < key <= high]


@pytest.mark.parametrize("odd", BUCKETS)
def test_a_skewed_bucket_takes_a_fraction_of_the_rounds_of_a_serial_listing(odd: str) -> None:
    keys = BUCKETS[odd]
    run = list_by_ranges(keys, page_rows=30)
    pages = len(keys) / 30
    assert run.in_order == keys
    assert run.rounds < pages / 8
    assert run.requests < 2.2 * pages


@pytest.mark.parametrize("odd", BUCKETS)
def test_an_earlier_listing_spares_the_guessing_although_it_is_out_of_date(odd: str) -> None:
    keys, chance = BUCKETS[odd], random.Random(5)
    stale = sorted(
        [key for key in keys if chance.random() > 0.1]
        + [f"{k}~" for k in chance.sample(keys, 3000)]
    )
    run = list_by_ranges(keys, page_rows=30, known=stale[::30], known_rows=30)
    pages = len(keys) / 30
    assert run.in_order == keys
    assert run.rounds < pages / 24
    assert run.requests < 1.3 * pages


def test_one_request_at_a_time_is_a_serial_listing() -> None:
    keys = BUCKETS["dates"]
    assert list_by_ranges(keys, in_flight=1).requests == 30


def test_a_long_range_is_finished_in_pieces_that_a_crash_cannot_take_back() -> None:
    keys = BUCKETS["dates"]
    run = list_by_ranges(keys, page_rows=30, in_flight=1)
    assert len(run.keys) == len(keys) // (30 * 200)
    assert run.in_order == keys
