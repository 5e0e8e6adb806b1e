"""What the verbs make of answers that moto does not give."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from s3pipelines.core.errors import PreconditionFailed, StorageError, Throttled
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place
from s3pipelines.core.storage.verbs.all_versions import KeyVersion, version_pages
from s3pipelines.core.storage.verbs.delete import Doomed, delete_many
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.multipart import upload_part, write_in_parts
from s3pipelines.core.storage.verbs.object_lock import bucket_object_lock
from s3pipelines.core.storage.verbs.probe import Enforced, probe_preconditions
from s3pipelines.core.storage.verbs.values import Copied, DefaultRetention, Lock
from tests.core.storage.fake_s3 import Answer, Asked, FakeS3, error_answer, fake_s3

T = TypeVar("T")
HEAD = {"ETag": '"e"', "Last-Modified": "Mon, 06 May 2024 07:08:09 GMT"}


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with fake_s3(lambda _: Answer(headers=HEAD)) as server:
        yield server


def _with_client(access: Access, bucket: str, use: Callable[[BucketClient], Awaitable[T]]) -> T:
    async def work() -> T:
        async with BucketClient(bucket_place(access, bucket), most_in_flight=4) as client:
            return await use(client)

    with LoopThread() as loop:
        return loop.run(work())


def _in_parts(client: BucketClient) -> Awaitable[Copied]:
    async def send(upload: str, number: int, first: int, last: int) -> str:
        return await upload_part(client, "key", upload, number, b"12345"[first : last + 1])

    return write_in_parts(client, "key", 5, 5, {}, {"if-none-match": "*"}, send)


@pytest.mark.parametrize(
    ("headers", "lock"),
    [
        ({}, None),
        ({"x-amz-object-lock-legal-hold": "OFF"}, None),
        ({"x-amz-object-lock-legal-hold": "ON"}, Lock(None, None, True)),
        (
            {
                "x-amz-object-lock-mode": "COMPLIANCE",
                "x-amz-object-lock-retain-until-date": "2030-01-02T03:04:05.000Z",
            },
            Lock("COMPLIANCE", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC), False),
        ),
    ],
)
def test_a_head_tells_what_keeps_an_object_from_being_deleted(
    server: FakeS3, headers: dict[str, str], lock: Lock | None
) -> None:
    server.answer = lambda _: Answer(headers=HEAD | headers)
    found = _with_client(server.access(), "bucket", lambda client: head(client, "key"))
    assert found is not None
    assert found.lock == lock
    assert found.lock is None or found.lock.until is None or found.lock.until.tzinfo is UTC


def test_a_head_tells_how_long_a_restored_copy_stays(server: FakeS3) -> None:
    restore = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"'
    server.answer = lambda _: Answer(headers=HEAD | {"x-amz-restore": restore})
    found = _with_client(server.access(), "bucket", lambda client: head(client, "key"))
    assert found is not None
    assert found.restored_until == datetime(2012, 12, 21, tzinfo=UTC)


@pytest.mark.parametrize(("period", "days"), [("<Days>30</Days>", 30), ("<Years>2</Years>", 730)])
def test_a_bucket_tells_how_long_it_keeps_what_is_written(
    server: FakeS3, period: str, days: int
) -> None:
    retention = f"<DefaultRetention><Mode>GOVERNANCE</Mode>{period}</DefaultRetention>"
    body = f"<ObjectLockConfiguration><Rule>{retention}</Rule></ObjectLockConfiguration>"
    server.answer = lambda _: Answer(body=body.encode())
    kept = _with_client(server.access(), "bucket", bucket_object_lock)
    assert kept == DefaultRetention("GOVERNANCE", days)


def _losing_an_answer(server: FakeS3) -> Callable[[Asked], Answer]:
    """A server that completes an upload, and hangs up before it says so."""

    def answer(asked: Asked) -> Answer:
        if "uploads" in asked.query:
            return Answer(body=b"<R><UploadId>u</UploadId></R>")
        if asked.method == "POST":
            completions = [one.method for one in server.asked if "uploads" not in one.query]
            is_first = completions.count("POST") == 1
            return Answer(hang_up=True) if is_first else error_answer(404, "NoSuchUpload")
        return Answer(headers=HEAD)

    return answer


def test_an_upload_whose_completion_was_not_heard_of_may_be_its_own_work(server: FakeS3) -> None:
    server.answer = _losing_an_answer(server)
    with pytest.raises(PreconditionFailed) as caught:
        _with_client(server.access(), "bucket", _in_parts)
    assert caught.value.retried


def test_an_upload_that_never_was_is_a_plain_error(server: FakeS3) -> None:
    def answer(asked: Asked) -> Answer:
        if "uploads" in asked.query:
            return Answer(body=b"<R><UploadId>u</UploadId></R>")
        return error_answer(404, "NoSuchUpload") if asked.method == "POST" else Answer(headers=HEAD)

    server.answer = answer
    with pytest.raises(StorageError, match="NoSuchUpload") as caught:
        _with_client(server.access(), "bucket", _in_parts)
    assert not isinstance(caught.value, PreconditionFailed)


def _probe(client: BucketClient) -> Coroutine[Any, Any, Enforced]:
    return probe_preconditions(client, "", "test", versioned=False)


def test_a_server_that_compares_nothing_is_not_taken_for_one_that_does(server: FakeS3) -> None:
    def answer(asked: Asked) -> Answer:
        body = b"<R><UploadId>u</UploadId><ETag>e</ETag><IsTruncated>false</IsTruncated></R>"
        return Answer(headers=HEAD, body=body)

    server.answer = answer
    enforced = _with_client(
        server.access(),
        "bucket",
        lambda client: probe_preconditions(client, "", "test", versioned=False),
    )
    assert not enforced.multipart_if_none_match


@pytest.mark.parametrize("asked_for", ["tagging", "uploads"])
def test_a_server_that_stumbles_is_not_taken_for_one_that_cannot(
    server: FakeS3, asked_for: str
) -> None:
    def answer(asked: Asked) -> Answer:
        if asked_for in asked.query:
            return error_answer(503, "SlowDown")
        body = b"<R><UploadId>u</UploadId><ETag>e</ETag><IsTruncated>false</IsTruncated></R>"
        return Answer(headers=HEAD, body=body)

    server.answer = answer
    with pytest.raises(Throttled):
        _with_client(replace(server.access(), max_attempts=1), "bucket", _probe)


def test_a_server_that_compares_when_an_upload_is_completed_is_known(server: FakeS3) -> None:
    def answer(asked: Asked) -> Answer:
        if "uploadId" in asked.query and "if-none-match" in asked.headers:
            return error_answer(412, "PreconditionFailed")
        body = b"<R><UploadId>u</UploadId><ETag>e</ETag><IsTruncated>false</IsTruncated></R>"
        return Answer(headers=HEAD, body=body)

    server.answer = answer
    enforced = _with_client(
        server.access(),
        "bucket",
        lambda client: probe_preconditions(client, "", "test", versioned=False),
    )
    assert enforced.multipart_if_none_match
    assert any(asked.method == "DELETE" and "uploadId" in asked.query for asked in server.asked)


def test_what_could_not_be_deleted_is_told_of_each_though_the_answer_begins_with_errors(
    server: FakeS3,
):
    said = (
        b"<DeleteResult><Error><Key>a</Key><VersionId>1</VersionId><Code>AccessDenied</Code>"
        b"</Error><Deleted><Key>b</Key><VersionId>2</VersionId></Deleted></DeleteResult>"
    )
    server.answer = lambda asked: Answer(body=said if asked.method == "POST" else b"")

    ended = _with_client(
        server.access(),
        "bucket",
        lambda client: delete_many(client, [Doomed("a", "1"), Doomed("b", "2")]),
    )

    assert [(one.doomed.key, one.error is None) for one in ended] == [("a", False), ("b", True)]


def _versions_page(inside: str, following: str = "") -> Answer:
    more = f"<IsTruncated>true</IsTruncated>{following}" if following else ""
    body = f"<R><EncodingType>url</EncodingType>{more}{inside}</R>"
    return Answer(body=body.encode())


def _all_versions(server: FakeS3) -> list[KeyVersion]:
    async def use(client: BucketClient) -> list[KeyVersion]:
        return [version async for page in version_pages(client) for version in page]

    return _with_client(server.access(), "bucket", use)


def test_versions_are_listed_page_by_page_with_keys_as_they_are(server: FakeS3):
    odd = "<Version><Key>a%0D+b%2B</Key><VersionId>v</VersionId><Size>3</Size></Version>"
    marker = "<DeleteMarker><Key>c</Key><IsLatest>true</IsLatest></DeleteMarker>"
    following = (
        "<NextKeyMarker>a%0D+b%2B</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker>"
    )
    pages = {None: _versions_page(odd, following), "a\r b+": _versions_page(marker)}
    server.answer = lambda asked: pages[asked.query.get("key-marker")]

    assert _all_versions(server) == [
        KeyVersion("a\r b+", "v", False, False, 3),
        KeyVersion("c", "null", True, True, 0),
    ]


def test_a_listing_of_versions_without_an_end_is_an_error(server: FakeS3):
    server.answer = lambda _: _versions_page("", "<NextKeyMarker>a</NextKeyMarker>")

    with pytest.raises(StorageError, match="without an end"):
        _all_versions(server)
