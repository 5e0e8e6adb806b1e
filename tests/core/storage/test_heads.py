import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from urllib.parse import unquote

import pytest

from s3pipelines.core.errors import (
    AccessDenied,
    BadCredentials,
    NoSuchBucket,
    StorageError,
    Throttled,
    Unreachable,
    WrongRegion,
)
from s3pipelines.core.storage import heads
from s3pipelines.core.storage.access import Access, StaticKeys
from s3pipelines.core.storage.heads import Present, ask_many
from tests.conftest import PutObjects
from tests.core.storage.fake_s3 import (
    Answer,
    Asked,
    FakeS3,
    bucket_of,
    error_answer,
    fake_s3,
    listing_answer,
)

ODD_KEYS = [
    *("a//b", "a b", "a+b", "a%b", "a%20b", "a%2Bb", "a&b<c>'\"", "🐟/東京.tif", "Ä", "ä", "a\tb"),
    *("/lead", "trail/", "x" * 1024, "é" * 512, "a|b", "a\\b", "\uffff", "\U0010ffff"),
]
DOTTED_KEYS = [
    *(".", "..", "a/./b", "a/../b", "../a", "./a", "a/..", "//", "/", "a//", "//a", "/./"),
    *("\x01", "carriage\r", "a?b", "a#b", "\x7f", "\u2028", "a;b=c", ":80/", "@h/"),
]
# moto's router knows no path with a newline.
ANY_KEYS = [*DOTTED_KEYS, "new\nline"]
MODIFIED = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
HEAD_OF_ONE = {"ETag": '"e"', "Last-Modified": "Mon, 06 May 2024 07:08:09 GMT"}


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with fake_s3(lambda _: Answer(headers=HEAD_OF_ONE)) as server:
        yield server


def _ask(access: Access, bucket: str, keys: Iterable[str], **more: int) -> dict[str, heads.Asked]:
    return {answer.key: answer for answer in ask_many(access, bucket, keys, **more)}


def _one(access: Access, key: str = "key", bucket: str = "bucket") -> Present | None:
    (answer,) = ask_many(access, bucket, [key])
    assert answer.error is None
    assert answer.key == key
    return answer.found


def _error(access: Access, key: str = "key") -> StorageError:
    (answer,) = ask_many(access, "bucket", [key])
    assert answer.found is None
    assert answer.error is not None
    return answer.error


def _refusing(head: Answer, listing: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
    return lambda asked: head if asked.method == "HEAD" else listing(asked)


def _bucket_with(*keys: str) -> Callable[[Asked], Answer]:
    """Answers HEAD of the bucket and of exactly these keys."""

    def answer(asked: Asked) -> Answer:
        _, _, key = unquote(asked.path).removeprefix("/").partition("/")
        return Answer(headers=HEAD_OF_ONE) if not key or key in keys else Answer(404)

    return answer


# A real server over HTTP.


def test_every_object_is_found_with_what_s3_knows_of_it(
    bucket: str, put_objects: PutObjects, s3
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    put_objects("a/1.tif", body=b"12345")
    s3.put_object(Bucket=bucket, Key="a/2.tif", Body=b"", StorageClass="GLACIER")
    found = _ask(Access(), bucket, ["a/1.tif", "a/2.tif", "a/3.tif"])
    first, second = found["a/1.tif"].found, found["a/2.tif"].found
    assert found["a/3.tif"] == heads.Asked("a/3.tif", None)
    assert first is not None
    assert second is not None
    assert (first.size_bytes, first.storage_class, first.version_id) == (5, "STANDARD", None)
    assert (second.size_bytes, second.storage_class) == (0, "GLACIER")
    assert first.etag == "827ccb0eea8a706c4c34a16891f84e7b"
    assert before < first.last_modified <= first.server_time + timedelta(seconds=1)
    assert first.last_modified.microsecond == 0
    assert first.last_modified.tzinfo is first.server_time.tzinfo is UTC


def test_odd_keys_are_asked_for_exactly(bucket: str, put_objects: PutObjects) -> None:
    keys = ODD_KEYS + DOTTED_KEYS
    put_objects(*keys[::2])
    found = _ask(Access(), bucket, keys)
    assert not [answer.error for answer in found.values() if answer.error]
    assert [key for key in keys if found[key].found] == keys[::2]


def test_it_is_the_current_version_that_counts(bucket: str, put_objects: PutObjects, s3) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put_objects("kept", "deleted", body=b"old")
    version = s3.put_object(Bucket=bucket, Key="kept", Body=b"newer")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="deleted")
    found = _ask(Access(), bucket, ["kept", "deleted"])
    assert found["deleted"] == heads.Asked("deleted", None)
    kept = found["kept"].found
    assert kept is not None
    assert (kept.size_bytes, kept.version_id) == (5, version)


def test_a_bucket_that_is_not_there_is_not_one_whose_objects_are_all_deleted(moto: object) -> None:
    with pytest.raises(NoSuchBucket):
        list(ask_many(Access(), "no-such-bucket", ["a", "b"]))


# Keys.


def test_dots_and_slashes_and_controls_reach_the_server_as_they_are(server: FakeS3) -> None:
    server.answer = _bucket_with(*ANY_KEYS[::2])
    found = _ask(server.access(), "bucket", ANY_KEYS)
    paths = {unquote(asked.path) for asked in server.asked}
    assert paths - {"/bucket"} == {f"/bucket/{key}" for key in ANY_KEYS}
    assert [key for key in ANY_KEYS if found[key].found] == ANY_KEYS[::2]


@pytest.mark.parametrize("key", ["\ud800", "a\udcff"])
def test_a_key_that_no_object_can_have_harms_no_other(server: FakeS3, key: str) -> None:
    found = _ask(server.access(), "bucket", [key, "good"])
    assert found[key].error is not None
    assert found["good"].found is not None


def test_a_key_goes_through_a_proxy_as_it_is(
    monkeypatch: pytest.MonkeyPatch, server: FakeS3
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    found = _one(server.access(endpoint_url="http://s3.example:81"), "a/../b")
    assert [asked.path for asked in server.asked] == ["/bucket/a/../b"]
    assert found is not None


def test_a_proxy_that_spoils_the_path_of_a_key_is_found_out_by_the_signature(
    monkeypatch: pytest.MonkeyPatch, server: FakeS3
) -> None:
    server.answer = _refusing(error_answer(403, "SignatureDoesNotMatch"), bucket_of(["a/../b"]))
    monkeypatch.setenv("http_proxy", server.url)
    found = _one(server.access(endpoint_url="http://s3.example:81"), "a/../b")
    assert found is not None
    assert found.etag == "e6"


# What the headers say.


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, {"storage_class": "STANDARD", "version_id": None, "restored_until": None}),
        ({"x-amz-storage-class": "DEEP_ARCHIVE"}, {"storage_class": "DEEP_ARCHIVE"}),
        ({"x-amz-version-id": "null"}, {"version_id": "null"}),
        ({"x-amz-version-id": "v1"}, {"version_id": "v1"}),
        ({"x-amz-restore": 'ongoing-request="true"'}, {"restored_until": None}),
        (
            {
                "x-amz-restore": 'ongoing-request="false", '
                'expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"'
            },
            {"restored_until": datetime(2012, 12, 21, tzinfo=UTC)},
        ),
        (
            {"x-amz-restore": 'ongoing-request="false", expiry-date="soon"'},
            {"restored_until": None},
        ),
        (
            {"Date": "Mon, 06 May 2024 07:08:10 GMT"},
            {"server_time": MODIFIED + timedelta(seconds=1), "last_modified": MODIFIED},
        ),
        ({"Last-Modified": "2024-05-06T09:08:09.500+02:00"}, {"last_modified": MODIFIED}),
    ],
)
def test_what_the_headers_say_is_understood(
    server: FakeS3, headers: dict[str, str], expected: dict[str, object]
) -> None:
    server.answer = lambda _: Answer(headers=HEAD_OF_ONE | headers, body=b"12")
    found = _one(server.access())
    assert found is not None
    assert {name: getattr(found, name) for name in expected} == expected
    assert (found.size_bytes, found.etag) == (2, "e")


def test_without_a_date_the_time_of_this_machine_is_taken(server: FakeS3) -> None:
    server.answer = lambda _: Answer(headers=HEAD_OF_ONE | {"Date": "no date"})
    found = _one(server.access())
    assert found is not None
    assert abs(found.server_time - datetime.now(UTC)) < timedelta(seconds=10)


# What is not there.


def test_the_bucket_is_looked_for_once_however_many_keys_are_gone(server: FakeS3) -> None:
    server.answer = _bucket_with("there")
    found = _ask(server.access(), "bucket", ["there", *map(str, range(50))], in_flight=8)
    assert sum(answer.found is None and answer.error is None for answer in found.values()) == 50
    assert [asked.path for asked in server.asked].count("/bucket") == 1


def test_the_bucket_is_not_looked_for_while_all_keys_are_there(server: FakeS3) -> None:
    _ask(server.access(), "bucket", map(str, range(20)))
    assert "/bucket" not in {asked.path for asked in server.asked}


def test_a_delete_marker_is_an_object_that_is_gone(server: FakeS3) -> None:
    server.answer = lambda asked: (
        Answer()
        if asked.path == "/bucket"
        else Answer(404, headers={"x-amz-delete-marker": "true"})
    )
    assert _one(server.access()) is None


def test_whoever_may_not_ask_for_the_bucket_lists_to_learn_that_it_is_there(
    server: FakeS3,
) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.method == "HEAD":
            return Answer(403 if asked.path == "/bucket" else 404)
        return listing_answer([], asked)

    server.answer = answer
    assert _one(server.access()) is None
    server.answer = lambda asked: (
        error_answer(404, "NoSuchBucket") if asked.method == "GET" else answer(asked)
    )
    with pytest.raises(NoSuchBucket):
        list(ask_many(server.access(), "bucket", ["key"]))


def test_no_object_is_gone_while_nobody_knows_whether_the_bucket_is_there(
    server: FakeS3,
) -> None:
    # "Slow down" is tried twice as often as other failures.
    states = iter([503] * 2 * server.access().max_attempts + [200])
    server.answer = lambda asked: Answer(next(states) if asked.path == "/bucket" else 404)
    first, second = ask_many(server.access(), "bucket", ["a", "b"], in_flight=1)
    assert isinstance(first.error, Throttled)
    assert (second.found, second.error) == (None, None)


# What a HEAD does not tell.


@pytest.mark.parametrize("status", [400, 403, 405, 409, 412, 500])
def test_a_refused_head_is_made_up_for_by_a_listing(server: FakeS3, status: int) -> None:
    server.answer = _refusing(Answer(status), bucket_of(["key", "key2"]))
    found = _one(server.access())
    assert found is not None
    assert (found.size_bytes, found.etag, found.last_modified) == (3, "e3", MODIFIED)
    assert (found.storage_class, found.version_id) == ("STANDARD", None)
    assert _one(server.access(), "ke") is None
    assert _one(server.access(), "other") is None


def test_a_listing_tells_of_a_restored_copy_too(server: FakeS3) -> None:
    entry = (
        "<Contents><Key>key</Key><LastModified>2024-05-06T07:08:09.123Z</LastModified><Size>7"
        "</Size><ETag>e</ETag><StorageClass>GLACIER</StorageClass><RestoreStatus>"
        "<IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>"
        "2012-12-21T00:00:00.000Z</RestoreExpiryDate></RestoreStatus></Contents>"
    )
    body = f"<R><IsTruncated>false</IsTruncated>{entry}</R>".encode()
    server.answer = _refusing(Answer(403), lambda _: Answer(body=body))
    found = _one(server.access())
    assert found is not None
    assert found.restored_until == datetime(2012, 12, 21, tzinfo=UTC)
    assert (found.storage_class, found.last_modified) == ("GLACIER", MODIFIED)


@pytest.mark.parametrize("left_out", ["ETag", "Last-Modified"])
def test_a_head_that_leaves_out_what_is_needed_is_made_up_for(
    server: FakeS3, left_out: str
) -> None:
    head = {name: value for name, value in HEAD_OF_ONE.items() if name != left_out}
    server.answer = _refusing(Answer(headers=head), bucket_of(["key"]))
    found = _one(server.access())
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
    server.answer = _refusing(Answer(head), lambda _: listing)
    assert isinstance(_error(server.access()), kind)


def test_a_listing_that_answers_something_else_is_no_proof_of_absence(server: FakeS3) -> None:
    server.answer = _refusing(Answer(400), lambda asked: listing_answer(["a"], asked))
    assert "does not answer" in str(_error(server.access()))
    server.answer = _refusing(Answer(400), lambda a: listing_answer([], a, next_token="t"))
    assert "does not answer" in str(_error(server.access()))


def test_a_throttled_key_is_not_asked_for_in_yet_another_way(server: FakeS3) -> None:
    server.answer = lambda _: Answer(503)
    assert isinstance(_error(server.access()), Throttled)
    assert {asked.method for asked in server.asked} == {"HEAD"}


def test_a_server_that_hangs_up_is_not_asked_for_a_listing(server: FakeS3) -> None:
    server.answer = lambda _: Answer(hang_up=True)
    assert isinstance(_error(server.access()), Unreachable)
    assert {asked.method for asked in server.asked} == {"HEAD"}


def test_one_key_that_fails_leaves_the_others_their_answers(server: FakeS3) -> None:
    server.answer = lambda asked: Answer(
        503 if asked.path.endswith("bad") else 200, headers=HEAD_OF_ONE
    )
    found = _ask(server.access(), "bucket", ["a", "bad", "b"])
    assert isinstance(found["bad"].error, Throttled)
    assert found["a"].found is not None
    assert found["b"].found is not None


# What concerns all keys.


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
    server.answer = _refusing(Answer(head, headers=headers), lambda _: error_answer(head, code))
    with pytest.raises(kind):
        list(ask_many(server.access(), "bucket", map(str, count()), in_flight=4))


@pytest.mark.usefixtures("no_aws")
def test_without_any_credentials_nobody_is_asked(server: FakeS3) -> None:
    with pytest.raises(BadCredentials):
        list(ask_many(Access(endpoint_url=server.url), "bucket", ["a"]))
    assert server.asked == []


# Many of them.


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
    found = _ask(nobody, "bucket", ["a", "b"])
    assert all(isinstance(answer.error, Unreachable) for answer in found.values())
