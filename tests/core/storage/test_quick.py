"""Reading and writing by obstore, and what boto3 does where obstore cannot."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from s3pipelines.core.errors import (
    AccessDenied,
    Archived,
    BadCredentials,
    Gone,
    InvalidInput,
    NoSuchBucket,
    PreconditionFailed,
    StorageError,
    Throttled,
    Unreachable,
)
from s3pipelines.core.storage import quick
from s3pipelines.core.storage.access import Access, StaticKeys
from s3pipelines.core.storage.clients import botocore_session, client_of
from s3pipelines.core.storage.locations import FolderLocation, S3Location
from s3pipelines.core.storage.outputs import open_outputs
from s3pipelines.core.storage.quick import QuickObjects, addressable
from s3pipelines.core.storage.ranged_reads import ObjectReader
from s3pipelines.services.ports import free_port
from tests.core.storage.fake_s3 import Answer, Asked, FakeS3, error_answer, fake_s3
from tests.servers import on_every_server

ODD_KEYS = (
    "plain.jpg", "a b/c+d%20e%.jpg", 'x/"><script>.jpg', "é/日本/😀.jpg", "a?b#c&d=e", "a\\b|c*",
    "double//slash", "/leading", "trailing/", "a/../b", "./a", "a/.../b", "new\nline", "tab\t",
    " spaces ", "nbsp\u00a0",
)  # fmt: skip
BODY = bytes(range(256)) * 8


@pytest.fixture
def without_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever would be left to boto3 fails."""
    monkeypatch.setattr(ObjectReader, "_get", _not_to_be_called)


def _not_to_be_called(*_: object) -> None:
    raise AssertionError("boto3 was asked")


def _by_obstore(asked: Asked) -> bool:
    return asked.headers["user-agent"] == "s3pipelines"


def _ranges(asked: Asked) -> Answer:
    """One object, `BODY`, to requests for ranges."""
    if asked.method == "PUT":
        return Answer(headers={"ETag": '"e"'})
    first, _, last = asked.headers["range"].removeprefix("bytes=").partition("-")
    part = BODY[int(first) : int(last) + 1]
    span = f"bytes {first}-{int(first) + len(part) - 1}/{len(BODY)}"
    when = "Mon, 06 May 2024 07:08:09 GMT"
    return Answer(206, part, {"Content-Range": span, "ETag": '"e"', "Last-Modified": when})


# moto answers a PUT of a key with a newline with 404.
@on_every_server
@pytest.mark.parametrize("key", [key for key in ODD_KEYS if "\n" not in key])
def test_exactly_the_object_of_that_key_is_read(key: str, bucket, s3):
    if key.strip("/") != key:
        s3.put_object(Bucket=bucket, Key=key.strip("/"), Body=b"another one")
    etag = s3.put_object(Bucket=bucket, Key=key, Body=BODY)["ETag"].strip('"')
    reader = ObjectReader(Access(), bucket)

    assert reader.read(key, etag, 3, 300) == BODY[3:303]
    assert reader.read(key, etag, 2000, 4096) == BODY[2000:]


def test_a_plain_object_is_read_without_boto3(bucket, s3, without_boto3):
    etag = s3.put_object(Bucket=bucket, Key="a b.jpg", Body=BODY)["ETag"].strip('"')

    assert ObjectReader(Access(), bucket).read("a b.jpg", etag, 0, len(BODY)) == BODY


def test_a_key_that_obstore_would_take_for_another_is_left_to_boto3():
    left = [key for key in ODD_KEYS if not addressable(key)]

    assert left == [
        "double//slash", "/leading", "trailing/", "a/../b", "./a", "new\nline", "tab\t",
        "nbsp\u00a0",
    ]  # fmt: skip


def test_what_moto_refuses_is_worded_by_boto3(bucket, s3):
    etag = s3.put_object(Bucket=bucket, Key="here", Body=BODY)["ETag"].strip('"')
    reader = ObjectReader(Access(), bucket)

    with pytest.raises(Gone):
        reader.read("not-here", etag, 0, 10)
    with pytest.raises(PreconditionFailed):
        reader.read("here", "0" * 32, 0, 10)
    with pytest.raises(NoSuchBucket):
        ObjectReader(Access(), f"{bucket}-absent").read("here", etag, 0, 10)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (412, "PreconditionFailed", PreconditionFailed),
        (404, "NoSuchKey", Gone),
        (404, "NoSuchBucket", NoSuchBucket),
        (403, "AccessDenied", AccessDenied),
        (403, "InvalidObjectState", Archived),
        (403, "InvalidAccessKeyId", BadCredentials),
        (400, "ExpiredToken", BadCredentials),
        (503, "SlowDown", Throttled),
        (500, "InternalError", Unreachable),
    ],
)
def test_each_error_of_s3_becomes_the_error_of_the_project(
    status: int, code: str, kind: type[StorageError]
):
    with fake_s3(lambda asked: error_answer(status, code)) as fake:
        with pytest.raises(kind):
            ObjectReader(fake.access(), "bucket").read("key", "e", 0, 10)
        assert [_by_obstore(asked) for asked in fake.asked][:2] == [True, False]
        if code == "InvalidObjectState":
            return  # Nobody writes to an archive.
        with pytest.raises(kind):
            open_outputs(S3Location("bucket", "p/"), fake.access()).put("name", b"body")


def test_an_endpoint_that_is_not_there_is_unreachable():
    access = Access(
        endpoint_url=f"http://127.0.0.1:{free_port()}",
        static_keys=StaticKeys("key-id", "secret"),
        max_attempts=1,
    )

    with pytest.raises(Unreachable):
        ObjectReader(access, "bucket").read("key", "e", 0, 10)


def test_a_machine_without_credentials_is_told_so(no_aws):
    with fake_s3(_ranges) as fake:
        reader = ObjectReader(fake.access(static_keys=None), "bucket")
        with pytest.raises(BadCredentials):
            reader.read("key", "e", 0, 10)


def test_a_body_that_breaks_off_is_asked_for_again():
    def answer(asked: Asked) -> Answer:
        whole = _ranges(asked)
        return whole if len(fake.asked) > 1 else replace(whole, cut=100)

    with fake_s3(answer) as fake:
        assert ObjectReader(fake.access(), "bucket").read("key", "e", 0, 2000) == BODY[:2000]


def test_a_server_that_knows_no_ranges_is_not_believed():
    with fake_s3(lambda asked: Answer(body=BODY, headers={"ETag": '"e"'})) as fake:
        reader = ObjectReader(fake.access(), "bucket")

        with pytest.raises(StorageError, match="does not answer ranges"):
            reader.read("key", "e", 100, 10)


def _first_request(use: Callable[[FakeS3], object]) -> Asked:
    with fake_s3(_ranges) as fake:
        use(fake)
        assert len(fake.asked) == 1
        assert _by_obstore(fake.asked[0])
        return fake.asked[0]


def _read(**access: Any) -> Callable[[FakeS3], object]:
    return lambda fake: ObjectReader(fake.access(**access), "bucket").read("a b", "e", 5, 10)


def test_one_request_names_the_state_and_the_range():
    asked = _first_request(_read())

    assert (asked.method, asked.path) == ("GET", "/bucket/a%20b")
    assert (asked.headers["if-match"], asked.headers["range"]) == ('"e"', "bytes=5-14")
    assert asked.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=key-id/")


def test_temporary_keys_go_with_their_token():
    asked = _first_request(_read(static_keys=StaticKeys("other-id", "secret", "the-token")))

    assert asked.headers["x-amz-security-token"] == "the-token"
    assert "Credential=other-id/" in asked.headers["authorization"]


def test_keys_that_were_renewed_are_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quick, "_KEYS_LAST", timedelta(0))
    with fake_s3(_ranges) as fake:
        access = fake.access()
        session = botocore_session(access)
        objects = QuickObjects(session, client_of(session, access), access, "bucket")
        for key_id in ("first", "second"):
            session.set_credentials(key_id, "secret", f"token-of-{key_id}")
            assert objects.get("key", "e", 0, 10) == BODY[:10]

        used = [asked.headers["x-amz-security-token"] for asked in fake.asked]
    assert used == ["token-of-first", "token-of-second"]


def test_an_anonymous_request_is_not_signed():
    asked = _first_request(_read(static_keys=None, anonymous=True))

    assert "authorization" not in asked.headers


def test_who_pays_says_so():
    asked = _first_request(_read(requester_pays=True))

    assert asked.headers["x-amz-request-payer"] == "requester"


def test_the_environment_says_nothing_that_the_access_says(monkeypatch: pytest.MonkeyPatch):
    for name, value in {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ENDPOINT": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "wrong",
        "AWS_SECRET_ACCESS_KEY": "wrong",
        "AWS_SESSION_TOKEN": "wrong",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_REQUESTER_PAYS": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_BUCKET": "wrong",
    }.items():
        monkeypatch.setenv(name, value)

    asked = _first_request(_read())

    assert asked.path == "/bucket/a%20b"
    assert "Credential=key-id/" in asked.headers["authorization"]
    assert not {"x-amz-security-token", "x-amz-request-payer"} & set(asked.headers)


def test_a_file_is_written_in_one_request():
    asked = _first_request(
        lambda fake: open_outputs(S3Location("bucket", "p/"), fake.access()).put("a/b c", BODY)
    )

    assert (asked.method, asked.path, asked.body) == ("PUT", "/bucket/p/a/b%20c", BODY)


def test_obstore_is_left_out_where_only_boto3_gets_through():
    def answer(asked: Asked) -> Answer:
        return error_answer(400, "Proxy") if _by_obstore(asked) else _ranges(asked)

    with fake_s3(answer) as fake:
        reader = ObjectReader(fake.access(), "bucket")
        for _ in range(20):
            assert reader.read("key", "e", 0, 10) == BODY[:10]
        assert sum(_by_obstore(asked) for asked in fake.asked) == 8


def test_now_and_then_a_failure_does_not_leave_obstore_out():
    def answer(asked: Asked) -> Answer:
        return error_answer(503, "SlowDown") if len(fake.asked) % 3 == 1 else _ranges(asked)

    with fake_s3(answer) as fake:
        reader = ObjectReader(fake.access(), "bucket")
        for _ in range(60):
            assert reader.read("key", "e", 0, 10) == BODY[:10]
        assert _by_obstore(fake.asked[-1])
        assert sum(not _by_obstore(asked) for asked in fake.asked) < 40


def test_errors_about_objects_do_not_leave_obstore_out(bucket, s3, monkeypatch):
    etag = s3.put_object(Bucket=bucket, Key="here", Body=BODY)["ETag"].strip('"')
    reader = ObjectReader(Access(), bucket)
    for _ in range(12):
        with pytest.raises(Gone):
            reader.read("not-here", etag, 0, 10)
    monkeypatch.setattr(ObjectReader, "_get", _not_to_be_called)

    assert reader.read("here", etag, 0, 10) == BODY[:10]


@pytest.mark.parametrize("home", ["bucket", "folder"])
@on_every_server
def test_a_derivative_lies_where_its_name_says(home: str, bucket, s3, tmp_path: Path):
    location = S3Location(bucket, "made/") if home == "bucket" else FolderLocation(tmp_path / "new")
    outputs = open_outputs(location, Access())

    outputs.put("a/b/c.webp", b"first")
    outputs.put("a/b/c.webp", b"second")

    if home == "bucket":
        found = s3.get_object(Bucket=bucket, Key="made/a/b/c.webp")["Body"].read()
    else:
        found = (tmp_path / "new/a/b/c.webp").read_bytes()
        assert [path.name for path in (tmp_path / "new").rglob("*") if path.is_file()] == ["c.webp"]
    assert found == b"second"


def test_boto3_writes_what_obstore_cannot(bucket, s3, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(QuickObjects, "put", lambda *_: False)
    open_outputs(S3Location(bucket, "made/"), Access()).put("a.webp", BODY)

    assert s3.get_object(Bucket=bucket, Key="made/a.webp")["Body"].read() == BODY


@pytest.mark.parametrize("name", ["../a", "/a", "a//b", "", ".unfinished-a"])
def test_no_derivative_leaves_its_place(name: str, tmp_path: Path):
    for location in (S3Location("bucket", "made/"), FolderLocation(tmp_path)):
        with pytest.raises(InvalidInput):
            open_outputs(location, Access()).put(name, b"body")


def test_a_folder_that_cannot_be_written_is_an_error_of_the_project(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(AccessDenied):
        open_outputs(FolderLocation(tmp_path / "file"), Access()).put("a/b", b"body")
