from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.storage.listing.key_model import KeyModel, beginning
from tests.examples import examples

TEXTS = st.text("ab/0é\U0010ffff\0", max_size=8)
PAGES = st.lists(st.lists(TEXTS, min_size=1, max_size=4).map(sorted), max_size=6)


def _model(pages: list[list[str]]) -> KeyModel:
    model = KeyModel()
    for page in pages:
        model.learn(page)
    return model


@examples(200)
@given(pages=PAGES, keys=st.lists(TEXTS, min_size=2, max_size=6).map(sorted))
def test_positions_are_in_the_order_of_the_keys(pages: list[list[str]], keys: list[str]) -> None:
    model = _model(pages)
    positions = [model.position(key, "") for key in keys]
    assert all(0.0 <= position <= 1.0 + 1e-9 for position in positions)
    assert all(low <= high + 1e-9 for low, high in pairwise(positions))


@examples(200)
@given(pages=PAGES, ends=st.lists(TEXTS, min_size=2, max_size=2, unique=True).map(sorted),
       parts=st.integers(2, 9))  # fmt: skip
def test_the_dividing_keys_lie_within_the_range_and_ascend(
    pages: list[list[str]], ends: list[str], parts: int
) -> None:
    after, end = ends
    found = _model(pages).between(after, end, parts, "")
    assert len(found) < parts
    assert all(after < key < end for key in found)
    assert found == sorted(set(found))
    for key in found:
        key.encode()  # What cannot be written cannot be asked for.


def test_what_was_seen_says_where_half_of_the_rest_is() -> None:
    model = _model([[f"photos/{a}{b}.jpg" for b in "048c"] for a in "0123456789abcdef"])
    (middle,) = model.between("photos/0", "photos/g", 2, "")
    assert "photos/6" < middle < "photos/a"


def test_a_long_beginning_that_all_keys_share_draws_no_guesses() -> None:
    deep = "x" * 900
    model = _model([[f"{deep}{a}{b}{c}" for c in "0123"] for a in "012345" for b in "01234567"])
    found = model.between(f"{deep}000", None, 9, "")
    assert sum(key.startswith(deep) for key in found) >= len(found) / 2


def test_the_common_beginning_of_two_keys_is_found() -> None:
    assert beginning("abc", "abd") == "ab"
    assert beginning("abc", "abc") == "abc"
    assert beginning("", "a") == ""
    assert beginning("ab", "abc") == "ab"
