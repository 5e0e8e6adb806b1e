"""Numbers and reasons as people read them."""

from typing import get_args

from s3pipelines.core.imaging.outcomes import Reason
from s3pipelines.viewer import texts
from s3pipelines.viewer.texts import count_text, reason_text


def test_a_count_has_its_thousands_apart():
    assert count_text(1_000_000) == "1,000,000"


def test_every_reason_has_words():
    assert set(get_args(Reason)) | {"not_made_yet"} == set(texts._REASONS)
    assert reason_text("some_new_reason") == "Some new reason"
