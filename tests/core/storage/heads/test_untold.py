"""What a HEAD does not tell: objects that are gone, and requests that are refused."""

from datetime import UTC, datetime

import pytest

from s3pipelines.core.errors import AccessDenied, NoSuchBucket, StorageError, Throttled, Unreachable
from s3pipelines.core.storage.heads import ask_many
from tests.core.storage.fake_s3 import (
    Answer,
    Asked,
    FakeS3,
    bucket_of,
    error_answer,
    listing_answer,
)
from tests.core.storage.heads.asking import (
    HEAD_OF_ONE,
    MODIFIED,
    ask,
    bucket_with,
    error_of,
    one,
    refusing,
)


def test_the_bucket_is_looked_for_once_however_many_keys_are_gone(server: FakeS3) -> None:
    server.answer = bucket_with("there")
    found = ask(server.access(), "bucket", ["there", *map(str, range(50))], in_flight=8)
    assert sum(answer.found is None and answer.error is None for answer in found.values()) == 50
    assert [asked.path for asked in server.asked].count("/bucket") == 1


def test_the_bucket_is_not_looked_for_while_all_keys_are_there(server: FakeS3) -> None:
    ask(server.access(), "bucket", map(str, range(20)))
    assert "/bucket" not in {asked.path for asked in server.asked}


def test_a_delete_marker_is_an_object_that_is_gone(server: FakeS3) -> None:
    server.answer = lambda asked: (
        Answer()
        if asked.path == "/bucket"
        else Answer(404, headers={"x-amz-delete-marker": "true"})
    )
    assert one(server.access()) is None


def test_whoever_may_not_ask_for_the_bucket_lists_to_learn_that_it_is_there(server: FakeS3) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.method == "HEAD":
            return Answer(403 if asked.path == "/bucket" else 404)
        return listing_answer([], asked)

    server.answer = answer
    assert one(server.access()) is None
    server.answer = lambda asked: (
        error_answer(404, "NoSuchBucket") if asked.method == "GET" else answer(asked)
    )
    with pytest.raises(NoSuchBucket):
        list(ask_many(server.access(), "bucket", ["key"]))


def test_no_object_is_gone_while_nobody_knows_whether_the_bucket_is_there(server: FakeS3) -> None:
    # "Slow down" is tried twice as often as other failures.
    states = iter([503] * 2 * server.access().max_attempts + [200])
    server.answer = lambda asked: Answer(next(states) if asked.path == "/bucket" else 404)
    first, second = ask_many(server.access(), "bucket", ["a", "b"], in_flight=1)
    assert isinstance(first.error, Throttled)
    assert (second.found, second.error) == (None, None)


@pytest.mark.parametrize("status", [400, 403, 405, 409, 412, 500])
def test_a_refused_head_is_made_up_for_by_a_listing(server: FakeS3, status: int) -> None:
    server.answer = refusing(Answer(status), bucket_of(["key", "key2"]))
    found = one(server.access())
    assert found is not None
    assert (found.size_bytes, found.etag, found.last_modified) == (3, "e3", MODIFIED)
    assert (found.storage_class, found.version_id) == ("STANDARD", None)
    assert one(server.access(), "ke") is None
    assert one(server.access(), "other") is None


def test_a_listing_tells_of_a_restored_copy_too(server: FakeS3) -> None:
    entry = (
        "<Contents><Key>key</Key><LastModified>2024-05-06T07:08:09.123Z</LastModified><Size>7"
        "</Size><ETag>e</ETag><StorageClass>GLACIER</StorageClass><RestoreStatus>"
        "<IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>"
        "2012-12-21T00:00:00.000Z</RestoreExpiryDate></RestoreStatus></Contents>"
    )
    body = f"<R><IsTruncated>false</IsTruncated>{entry}</R>".encode()
    server.answer = refusing(Answer(403), lambda _: Answer(body=body))
    found = one(server.access())
    assert found is not None
    assert found.restored_until == datetime(2012, 12, 21, tzinfo=UTC)
    assert (found.storage_class, found.last_modified) == ("GLACIER", MODIFIED)


@pytest.mark.parametrize("left_out", ["ETag", "Last-Modified"])
def test_a_head_that_leaves_out_what_is_needed_is_made_up_for(
    server: FakeS3, left_out: str
) -> None:
    head = {name: value for name, value in HEAD_OF_ONE.items() if name != left_out}
    server.answer = refusing(Answer(headers=head), bucket_of(["key"]))
    found = one(server.access())
    assert found is not None
    assert found.etag == "e3"


@pytest.mark.parametrize(
    ("head", "listing", "kind"),
    [
        (403, error_answer(403, "AccessDenied"), AccessDenied),
        (400, error_answer(503, "SlowDown"), Throttled),
        (500, error_answer(403, "AccessDenied"), Unreachable),
        (400, Answer(body=b""), StorageError),
        (400, Answer(body=b"<R><IsTruncated>false</IsTruncated></R><oops"), StorageError),
    ],
)
def test_what_neither_tells_is_an_error_of_that_key(
    server: FakeS3, head: int, listing: Answer, kind: type[StorageError]
) -> None:
    server.answer = refusing(Answer(head), lambda _: listing)
    assert isinstance(error_of(server.access()), kind)


def test_a_listing_that_answers_something_else_is_no_proof_of_absence(server: FakeS3) -> None:
    server.answer = refusing(Answer(400), lambda asked: listing_answer(["a"], asked))
    assert "does not answer" in str(error_of(server.access()))
    server.answer = refusing(Answer(400), lambda a: listing_answer([], a, next_token="t"))
    assert "does not answer" in str(error_of(server.access()))


def test_a_throttled_key_is_not_asked_for_in_yet_another_way(server: FakeS3) -> None:
    server.answer = lambda _: Answer(503)
    assert isinstance(error_of(server.access()), Throttled)
    assert {asked.method for asked in server.asked} == {"HEAD"}


def test_a_server_that_hangs_up_is_not_asked_for_a_listing(server: FakeS3) -> None:
    server.answer = lambda _: Answer(hang_up=True)
    assert isinstance(error_of(server.access()), Unreachable)
    assert {asked.method for asked in server.asked} == {"HEAD"}


def test_one_key_that_fails_leaves_the_others_their_answers(server: FakeS3) -> None:
    server.answer = lambda asked: Answer(
        503 if asked.path.endswith("bad") else 200, headers=HEAD_OF_ONE
    )
    found = ask(server.access(), "bucket", ["a", "bad", "b"])
    assert isinstance(found["bad"].error, Throttled)
    assert found["a"].found is not None
    assert found["b"].found is not None
