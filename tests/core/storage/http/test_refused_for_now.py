"""Requests that are refused, but not for ever."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.connection import Reply
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place
from tests.core.storage.fake_s3 import Answer, Asked, FakeS3, error_answer, fake_s3


def _put(server: FakeS3) -> Reply:
    async def work() -> Reply:
        place = bucket_place(server.access(), "bucket")
        async with BucketClient(place, most_in_flight=1) as client:
            return await client.ask("PutObject", "PUT", key="a", body=b"123")

    with LoopThread() as loop:
        return loop.run(work())


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with fake_s3(lambda _: Answer()) as server:
        yield server


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "RequestTimeout"), (409, "OperationAborted"), (409, "ConditionalRequestConflict")],
)
def test_what_may_go_well_later_is_tried_again(server: FakeS3, status: int, code: str) -> None:
    def answer(_: Asked) -> Answer:
        return error_answer(status, code) if len(server.asked) == 1 else Answer()

    server.answer = answer
    _put(server)
    assert [asked.body for asked in server.asked] == [b"123", b"123"]


@pytest.mark.parametrize(
    ("status", "code"), [(400, "InvalidRequest"), (409, "BucketNotEmpty"), (403, "RequestTimeout")]
)
def test_what_is_refused_for_good_is_not_tried_again(
    server: FakeS3, status: int, code: str
) -> None:
    server.answer = lambda _: error_answer(status, code)
    with pytest.raises(ClientError, match=code):
        _put(server)
    assert len(server.asked) == 1


def test_what_goes_on_being_refused_is_an_error_in_the_end(server: FakeS3) -> None:
    server.answer = lambda _: error_answer(400, "RequestTimeout")
    with pytest.raises(ClientError, match="RequestTimeout"):
        _put(server)
    assert len(server.asked) == server.access().max_attempts


def test_a_write_without_an_answer_is_repeated_by_us_alone_and_told(server: FakeS3) -> None:
    # The connection is kept after the first one, and breaks: a library might repeat that by itself.
    answers = [Answer(), Answer(hang_up=True), error_answer(412, "PreconditionFailed")]
    server.answer = lambda _: answers[len(server.asked) - 1]

    async def work() -> None:
        place = bucket_place(server.access(), "bucket")
        async with BucketClient(place, most_in_flight=1) as client:
            await client.ask("PutObject", "PUT", key="a", body=b"1")
            await client.ask("PutObject", "PUT", key="b", body=b"2")

    with LoopThread() as loop, pytest.raises(ClientError) as refused:
        loop.run(work())
    assert len(server.asked) == 3
    assert refused.value.response["ResponseMetadata"]["RetryAttempts"] == 1
