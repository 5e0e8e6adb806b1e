import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core import errors
from s3pipelines.core.errors import Gone, S3PipelinesError, printable


def test_an_error_says_what_is_wrong_and_what_to_do() -> None:
    error = Gone("There is no object.", hint="Look again.")
    assert (error.message, error.hint) == ("There is no object.", "Look again.")
    assert str(error) == "There is no object. Look again."


def test_a_key_with_a_newline_or_a_terminal_escape_stays_one_harmless_line() -> None:
    error = Gone("There is no object a\nError: b\x1b[31m.", hint="Look\r\nagain.")
    assert str(error) == r"There is no object a\nError: b\x1b[31m. Look\r\nagain."


@given(st.text())
def test_whatever_stands_in_an_error_it_is_one_line_that_can_be_printed(text: str) -> None:
    line = str(S3PipelinesError(text, hint=text))
    assert len(line.splitlines()) <= 1
    line.encode()  # Lone surrogates, as in the names of files, cannot be printed.


def test_plain_text_is_left_as_it_is() -> None:
    assert printable("Straße 7, 東京, 🐟") == "Straße 7, 東京, 🐟"


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, S3PipelinesError)
    ],
)
def test_every_error_survives_the_way_to_another_process(kind: type[S3PipelinesError]) -> None:
    error = kind("What is wrong.", hint="What to do.")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is kind
        assert (other.message, other.hint) == ("What is wrong.", "What to do.")
