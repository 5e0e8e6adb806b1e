"""Names of new buckets."""

import pytest

from s3pipelines.core.buckets.names import check_new_name
from s3pipelines.core.errors import InvalidInput


@pytest.mark.parametrize("name", ["abc", "a-b.c", "1" * 63, "my-images-2024"])
def test_s3_takes_these(name: str):
    check_new_name(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ab", "it has 2 characters"),
        ("a" * 64, "it has 64 characters"),
        ("Abc", "it has capitals"),
        ("a_b", "characters that S3 refuses"),
        ("-abc", "characters that S3 refuses"),
        ("a..b", "a '.' stands beside"),
        ("a.-b", "a '.' stands beside"),
        ("1.2.3.4", "looks like an IP address"),
        ("xn--abc", "begin so"),
        ("abc-s3alias", "end so"),
        ("a\nb", "characters that S3 refuses"),
    ],
)
def test_s3_refuses_these_and_the_rule_is_named(name: str, why: str):
    with pytest.raises(InvalidInput, match=why):
        check_new_name(name)
