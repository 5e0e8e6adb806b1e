"""Many keys at a time, and what concerns all of them."""

import threading
import time
from collections.abc import Iterator
from itertools import count

import pytest

from s3pipelines.core.errors import (
    BadCredentials,
    NoSuchBucket,
    StorageError,
    Unreachable,
    WrongRegion,
)
from s3pipelines.core.storage.access import Access, StaticKeys
from s3pipelines.core.storage.heads import ask_many
from tests.core.storage.fake_s3 import Answer, Asked, FakeS3, error_answer
from tests.core.storage.heads.asking import HEAD_OF_ONE, ask, refusing


@pytest.mark.parametrize(
    ("head", "code", "kind"),
    [
        (403, "InvalidAccessKeyId", BadCredentials),
        (403, "SignatureDoesNotMatch", BadCredentials),
        (400, "ExpiredToken", BadCredentials),
        (400, "NoSuchBucket", NoSuchBucket),
        (301, "PermanentRedirect", WrongRegion),
    ],
)
def test_what_concerns_all_keys_ends_all(
    server: FakeS3, head: int, code: str, kind: type[StorageError]
) -> None:
    headers = {"x-amz-bucket-region": "us-east-1"} if head == 301 else {}
    server.answer = refusing(Answer(head, headers=headers), lambda _: error_answer(head, code))
    with pytest.raises(kind):
        list(ask_many(server.access(), "bucket", map(str, count()), in_flight=4))


@pytest.mark.usefixtures("no_aws")
def test_without_any_credentials_nobody_is_asked(server: FakeS3) -> None:
    with pytest.raises(BadCredentials):
        list(ask_many(Access(endpoint_url=server.url), "bucket", ["a"]))
    assert server.asked == []


def test_a_thousand_keys_are_asked_with_no_more_at_a_time_than_was_said(server: FakeS3) -> None:
    lock = threading.Lock()
    now, most = 0, 0

    def answer(asked: Asked) -> Answer:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.002)
        with lock:
            now -= 1
        return Answer(headers=HEAD_OF_ONE)

    server.answer = answer
    keys = [f"k/{number}" for number in range(1000)]
    answers = list(ask_many(server.access(), "bucket", keys, in_flight=6))
    assert sorted(answer.key for answer in answers) == sorted(keys)
    assert all(answer.found for answer in answers)
    assert 2 <= most <= 6
    assert len(server.asked) == 1000


def test_keys_are_taken_only_a_little_ahead_of_the_answers(server: FakeS3) -> None:
    taken = 0

    def keys() -> Iterator[str]:
        nonlocal taken
        for number in count():
            taken = number + 1
            yield str(number)

    answers = ask_many(server.access(), "bucket", keys(), in_flight=4)
    assert taken == 0
    for yielded in range(1, 30):
        next(answers)
        assert taken <= yielded + 8
    answers.close()  # type: ignore[attr-defined]


def test_nothing_is_asked_before_the_first_answer_is_wanted(server: FakeS3) -> None:
    ask_many(server.access(), "bucket", ["a"])
    assert server.asked == []
    assert list(ask_many(server.access(), "bucket", [])) == []
    assert server.asked == []


def test_an_iterator_that_is_closed_asks_no_more(server: FakeS3) -> None:
    answers = ask_many(server.access(), "bucket", map(str, count()), in_flight=4)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    time.sleep(0.3)
    asked = len(server.asked)
    assert asked <= 1 + 2 * 4
    time.sleep(0.3)
    assert len(server.asked) == asked


def test_keys_that_cannot_be_had_are_the_callers_own_error(server: FakeS3) -> None:
    def keys() -> Iterator[str]:
        yield "a"
        raise RuntimeError("no more keys")

    with pytest.raises(RuntimeError, match="no more keys"):
        list(ask_many(server.access(), "bucket", keys()))


def test_nobody_at_the_endpoint_is_an_error_of_each_key() -> None:
    nobody = Access(
        endpoint_url="http://127.0.0.1:9", static_keys=StaticKeys("a", "b"), max_attempts=1
    )
    found = ask(nobody, "bucket", ["a", "b"])
    assert all(isinstance(answer.error, Unreachable) for answer in found.values())
