"""Which files are worth writing anew."""

from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.upkeep.layout import (
    SMALL_FILE_BYTES,
    DataFile,
    Span,
    overlap_depth,
    worth_rewriting,
)

LARGE = SMALL_FILE_BYTES


def file(*keys: bytes, size_bytes: int = LARGE) -> DataFile:
    """A file of groups of rows, each from one key to the next one that is given."""
    spans = tuple(Span(a, b) for a, b in zip(keys[::2], keys[1::2], strict=True))
    return DataFile(b"-".join(keys).decode("latin-1"), size_bytes, 1, spans)


def test_sorted_files_of_good_size_are_left_alone():
    assert worth_rewriting([]) == []
    assert worth_rewriting([file(b"a", b"c", b"c", b"d"), file(b"e", b"f")]) == []


def test_a_small_file_alone_is_left_alone():
    assert worth_rewriting([file(b"a", b"c"), file(b"d", b"e", size_bytes=1)]) == []


def test_files_that_overlap_become_one_run():
    one, other, apart = file(b"a", b"c"), file(b"b", b"d"), file(b"e", b"f")

    assert worth_rewriting([apart, other, one]) == [[one, other]]


def test_neighbours_may_share_a_key():
    assert worth_rewriting([file(b"a", b"c"), file(b"c", b"d")]) == []


def test_small_neighbours_become_one_run_and_those_apart_do_not():
    first, second = file(b"a", b"b", size_bytes=1), file(b"c", b"d", size_bytes=1)
    third = file(b"x", b"y", size_bytes=1)

    assert worth_rewriting([first, file(b"e", b"f"), second, third]) == [[first, second]]


def test_a_file_whose_groups_of_rows_overlap_is_written_anew():
    torn = file(b"a", b"c", b"b", b"d")

    assert worth_rewriting([torn, file(b"e", b"f")]) == [[torn]]


def test_a_file_that_does_not_tell_its_range_is_taken_to_hold_any_key():
    silent, other = file(), file(b"a", b"b")

    assert worth_rewriting([other, silent]) == [[silent, other]]
    assert overlap_depth([other, silent]) == 2


keys = st.binary(min_size=1, max_size=2)
ranges = st.tuples(keys, keys).map(sorted)
files = st.lists(
    st.builds(lambda span, size: file(*span, size_bytes=size), ranges, st.sampled_from([1, LARGE])),
    max_size=12,
)


@given(files)
def test_what_is_left_alone_lies_well_and_no_file_is_in_two_runs(given_files: list[DataFile]):
    runs = worth_rewriting(given_files)

    taken = [id(one) for run in runs for one in run]
    left = [one for one in given_files if id(one) not in taken]
    assert len(taken) == len(set(taken))
    assert overlap_depth([one for one in left if one.first < one.last]) <= 1
    for run in runs:
        assert len(run) > 1


@given(files)
def test_what_was_written_anew_is_not_written_anew_again(given_files: list[DataFile]):
    runs = worth_rewriting(given_files)
    taken = [id(one) for run in runs for one in run]
    merged = [
        file(min(f.first for f in run), max(f.last for f in run), size_bytes=LARGE) for run in runs
    ]

    assert worth_rewriting([f for f in given_files if id(f) not in taken] + merged) == []
