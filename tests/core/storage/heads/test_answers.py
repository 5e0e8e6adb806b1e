"""What a HEAD says of a key, whatever the key is."""

from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest

from s3pipelines.core.errors import NoSuchBucket
from s3pipelines.core.storage import heads
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.heads import ask_many
from tests.conftest import PutObjects
from tests.core.storage.fake_s3 import Answer, FakeS3, bucket_of, error_answer
from tests.core.storage.heads.asking import (
    ANY_KEYS,
    DOTTED_KEYS,
    HEAD_OF_ONE,
    MODIFIED,
    ODD_KEYS,
    ask,
    bucket_with,
    one,
    refusing,
)


def test_every_object_is_found_with_what_s3_knows_of_it(
    bucket: str, put_objects: PutObjects, s3
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    put_objects("a/1.tif", body=b"12345")
    s3.put_object(Bucket=bucket, Key="a/2.tif", Body=b"", StorageClass="GLACIER")
    found = ask(Access(), bucket, ["a/1.tif", "a/2.tif", "a/3.tif"])
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
    found = ask(Access(), bucket, keys)
    assert not [answer.error for answer in found.values() if answer.error]
    assert [key for key in keys if found[key].found] == keys[::2]


def test_it_is_the_current_version_that_counts(bucket: str, put_objects: PutObjects, s3) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put_objects("kept", "deleted", body=b"old")
    version = s3.put_object(Bucket=bucket, Key="kept", Body=b"newer")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="deleted")
    found = ask(Access(), bucket, ["kept", "deleted"])
    assert found["deleted"] == heads.Asked("deleted", None)
    kept = found["kept"].found
    assert kept is not None
    assert (kept.size_bytes, kept.version_id) == (5, version)


def test_a_bucket_that_is_not_there_is_not_one_whose_objects_are_all_deleted(moto: object) -> None:
    with pytest.raises(NoSuchBucket):
        list(ask_many(Access(), "no-such-bucket", ["a", "b"]))


def test_dots_and_slashes_and_controls_reach_the_server_as_they_are(server: FakeS3) -> None:
    server.answer = bucket_with(*ANY_KEYS[::2])
    found = ask(server.access(), "bucket", ANY_KEYS)
    paths = {unquote(asked.path) for asked in server.asked}
    assert paths - {"/bucket"} == {f"/bucket/{key}" for key in ANY_KEYS}
    assert [key for key in ANY_KEYS if found[key].found] == ANY_KEYS[::2]


@pytest.mark.parametrize("key", ["\ud800", "a\udcff"])
def test_a_key_that_no_object_can_have_harms_no_other(server: FakeS3, key: str) -> None:
    found = ask(server.access(), "bucket", [key, "good"])
    assert found[key].error is not None
    assert found["good"].found is not None


def test_a_key_goes_through_a_proxy_as_it_is(
    monkeypatch: pytest.MonkeyPatch, server: FakeS3
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    found = one(server.access(endpoint_url="http://s3.example:81"), "a/../b")
    assert [asked.path for asked in server.asked] == ["/bucket/a/../b"]
    assert found is not None


def test_a_proxy_that_spoils_the_path_of_a_key_is_found_out_by_the_signature(
    monkeypatch: pytest.MonkeyPatch, server: FakeS3
) -> None:
    server.answer = refusing(error_answer(403, "SignatureDoesNotMatch"), bucket_of(["a/../b"]))
    monkeypatch.setenv("http_proxy", server.url)
    found = one(server.access(endpoint_url="http://s3.example:81"), "a/../b")
    assert found is not None
    assert found.etag == "e6"


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
    found = one(server.access())
    assert found is not None
    assert {name: getattr(found, name) for name in expected} == expected
    assert (found.size_bytes, found.etag) == (2, "e")


def test_without_a_date_the_time_of_this_machine_is_taken(server: FakeS3) -> None:
    server.answer = lambda _: Answer(headers=HEAD_OF_ONE | {"Date": "no date"})
    found = one(server.access())
    assert found is not None
    assert abs(found.server_time - datetime.now(UTC)) < timedelta(seconds=10)
