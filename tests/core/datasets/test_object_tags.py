"""Tags as people write them."""

import pytest

from s3pipelines.core.datasets.object_tags import parse_tags
from s3pipelines.core.errors import InvalidInput


def test_tags_are_pairs_between_commas_in_any_number_of_options():
    assert parse_tags(["a=1, b = two words", "c=x=y"]) == {"a": "1", "b": "two words", "c": "x=y"}
    assert parse_tags([]) == {}
    assert parse_tags(["a=,"]) == {"a": ""}


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["a"], "has no value"),
        (["=1"], "has no value"),
        (["a=1", "a=2"], "comes twice"),
        (["a=<b>"], "does not take"),
        (["aws:a=1"], "AWS's own"),
        ([f"{'n' * 129}=1"], "does not take"),
        ([",".join(f"t{n}=1" for n in range(11))], "at most 10"),
    ],
)
def test_what_s3_would_refuse_is_refused_here(texts: list[str], words: str):
    with pytest.raises(InvalidInput, match=words):
        parse_tags(texts)
