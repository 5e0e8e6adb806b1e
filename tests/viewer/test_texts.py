"""Numbers as people read them."""

from s3pipelines.viewer.texts import count_text


def test_a_count_has_its_thousands_apart():
    assert count_text(1_000_000) == "1,000,000"
