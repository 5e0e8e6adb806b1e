"""Ranges of keys: in the order of UTF-8 bytes, and never smaller than what they have to hold."""

from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.catalog.key_ranges import (
    KeyFile,
    KeyRange,
    overlapping,
    prefix_range,
    successor,
    window,
)

KEYS = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]), st.sampled_from("ab\0\ud7ff\ue000\U0010ffff")
    ),
    max_size=6,
)


def holds(keys: KeyRange, key: str) -> bool:
    start = keys.start.encode() <= key.encode()
    return start and (keys.end is None or key.encode() < keys.end.encode())


@given(KEYS, KEYS)
def test_a_prefix_range_holds_exactly_the_keys_that_begin_so(prefix: str, key: str):
    assert holds(prefix_range(prefix), key) == key.startswith(prefix)
    assert holds(prefix_range(prefix), prefix + key)


@given(KEYS, KEYS)
def test_nothing_lies_between_a_key_and_its_successor(key: str, other: str):
    assert successor(key) > key
    assert not key < other < successor(key)


@given(KEYS, KEYS, KEYS)
def test_after_and_before_cut_a_range_at_a_key(prefix: str, cut: str, key: str):
    keys = prefix_range(prefix)
    assert holds(keys.after(cut), key) == (holds(keys, key) and key > cut)
    assert holds(keys.before(cut), key) == (holds(keys, key) and key < cut)
    assert not (keys.is_empty and holds(keys, key))


FILES = st.lists(st.lists(KEYS, min_size=1, max_size=5), max_size=6)


@given(FILES, KEYS, st.integers(1, 12), st.booleans(), st.booleans())
def test_a_window_holds_enough_rows_or_all_of_the_range(
    keys_of_files: list[list[str]], prefix: str, rows: int, backward: bool, unknown: bool
):
    files = [
        KeyFile(str(number), len(keys), min(keys), None if unknown and number % 2 else max(keys))
        for number, keys in enumerate(keys_of_files)
    ]
    wanted = prefix_range(prefix)

    found = window(files, wanted, rows, backward=backward)

    inside = [key for keys in keys_of_files for key in keys if holds(wanted, key)]
    in_window = [key for key in inside if holds(found, key)]
    assert len(in_window) >= min(rows, len(inside))
    assert found.end == wanted.end if backward else found.start == wanted.start
    ordered = sorted(inside)
    assert sorted(in_window) == (
        ordered[len(ordered) - len(in_window) :] if backward else ordered[: len(in_window)]
    )
    read = set(overlapping(files, found))
    assert all(str(n) in read for n, keys in enumerate(keys_of_files) if set(keys) & {*in_window})


def test_a_page_opens_few_of_many_files():
    files = [KeyFile(str(n), 1000, f"{n:03}-a", f"{n:03}-z") for n in range(500)]
    for backward in (False, True):
        found = window(files, KeyRange("100-m", "400-m"), 61, backward=backward)
        assert len(overlapping(files, found)) == 2
