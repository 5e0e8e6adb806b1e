"""Page tokens: any key goes through a URL and back; nothing else is taken for one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.preview.page_tokens import key_of_token, token_of_key

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(KEYS)
def test_a_key_comes_back_from_its_token(key: str):
    token = token_of_key(key)
    assert key_of_token(token) == key
    assert re.fullmatch(r"[A-Za-z0-9_-]*", token)


def test_the_longest_key_that_s3_takes_has_a_token():
    key = "😀" * 256
    assert key_of_token(token_of_key(key)) == key


@given(st.text(max_size=40))
def test_any_other_text_is_refused_as_invalid_input(text: str):
    try:
        key = key_of_token(text)
    except InvalidInput:
        return
    assert token_of_key(key) == text


def test_an_error_names_a_long_token_only_in_part():
    with pytest.raises(InvalidInput) as caught:
        key_of_token("?" * 100_000)
    assert len(str(caught.value)) < 200
