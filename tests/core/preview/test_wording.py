"""Sizes, counts and reasons as people read them."""

from typing import get_args

import pytest

from s3pipelines.core.imaging.outcomes import Reason
from s3pipelines.core.preview import wording
from s3pipelines.core.preview.wording import counted, human_bytes, reason_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (5 * 10**12, "5.0 TB"),
        (5 * 10**15, "5.0 PB"),
        (5 * 10**18, "5,000 PB"),
    ],
)
def test_a_size_has_two_or_three_digits(size_bytes: int, text: str):
    assert human_bytes(size_bytes) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 objects"), (1, "1 object"), (12_345, "12,345 objects")]
)
def test_one_object_is_not_told_of_as_several(count: int, text: str):
    assert counted(count, "object") == text


def test_every_reason_has_words():
    assert set(get_args(Reason)) | {"not_made_yet"} == set(wording._REASONS)
    assert reason_text("some_new_reason") == "Some new reason"
