"""A folder of JSON files as a mailbox."""

import time
from collections.abc import Callable

import pytest

from s3pipelines.core.errors import AccessDenied, NoSuchBucket
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.inboxes import open_inbox
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.mailboxes import Depth, Mailbox, Message
from s3pipelines.services.moto import MotoServer
from tests.core.storage.fake_s3 import Answer, Asked, error_answer, fake_s3, listing_answer

Put = Callable[..., None]


def _soon() -> float:
    return time.monotonic() + 30


def _keys(s3, bucket: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


@pytest.fixture
def inbox(bucket: str) -> Mailbox:
    return open_inbox(Access(), S3Location(bucket, "in/"))


def test_each_json_file_below_the_folder_is_a_message(inbox: Mailbox, bucket: str, put_objects):
    put_objects("in/a.json", "in/deep/ü 😀+.json", body='{"key": "ü"}'.encode())
    put_objects("in/a.tif", "in/.json.part", "other/b.json", "in.json")

    messages = inbox.receive(10, _soon())

    assert messages == [
        Message(f"{bucket}/in/a.json", '{"key": "ü"}', "in/a.json"),
        Message(f"{bucket}/in/deep/ü 😀+.json", '{"key": "ü"}', "in/deep/ü 😀+.json"),
    ]
    assert inbox.depth() == Depth(visible=2, in_flight=0, delayed=0)


def test_deleted_messages_are_gone_and_nothing_else(inbox: Mailbox, bucket: str, put_objects, s3):
    put_objects("in/a.json", "in/ü 😀+%20.json", "in/c.json", "in/a.tif")
    messages = inbox.receive(10, _soon())

    assert inbox.delete(messages[:2]) == 0
    assert inbox.delete([]) == 0

    assert _keys(s3, bucket) == ["in/a.tif", messages[2].receipt]


def test_a_name_that_xml_cannot_hold_does_not_keep_the_others_from_being_deleted(
    inbox: Mailbox, bucket: str, put_objects, s3
):
    put_objects("in/a\x01.json", "in/b.json", "in/c.json")

    assert inbox.delete([Message("", "", f"in/{n}.json") for n in ("a\x01", "b", "c")]) == 0

    assert _keys(s3, bucket) == []


def test_no_more_messages_are_received_than_are_wanted(inbox: Mailbox, put_objects):
    put_objects(*(f"in/{number}.json" for number in range(5)))

    assert [message.receipt for message in inbox.receive(2, _soon())] == ["in/0.json", "in/1.json"]
    assert inbox.receive(0, _soon()) == []


def test_nothing_is_received_after_the_deadline(inbox: Mailbox, put_objects):
    put_objects("in/a.json")

    assert inbox.receive(10, time.monotonic() - 1) == []


def test_a_body_that_is_no_utf_8_is_received_all_the_same(inbox: Mailbox, put_objects):
    put_objects("in/a.json", body=b"\xff{}")
    put_objects("in/empty.json", body=b"")

    assert [message.body for message in inbox.receive(10, _soon())] == ["\ufffd{}", ""]


def test_of_a_huge_file_only_the_beginning_is_read(inbox: Mailbox, put_objects):
    put_objects("in/a.json", body=b"x" * 3_000_000)

    [message] = inbox.receive(10, _soon())

    assert len(message.body) == 1 << 20


def test_a_file_that_vanished_meanwhile_is_left_out():
    def answer(asked: Asked) -> Answer:
        if "list-type" in asked.query:
            return listing_answer(["in/a.json", "in/b.json"], asked)
        return Answer(body=b"{}") if "a.json" in asked.path else error_answer(404, "NoSuchKey")

    with fake_s3(answer) as fake:
        messages = open_inbox(fake.access(), S3Location("bucket", "in/")).receive(10, _soon())

    assert [message.receipt for message in messages] == ["in/a.json"]


def test_a_file_that_may_not_be_read_keeps_no_other_and_is_told_when_it_is_alone():
    readable = {"in/a.json"}

    def answer(asked: Asked) -> Answer:
        if "list-type" in asked.query:
            return listing_answer(sorted({"in/b.json", *readable}), asked)
        return Answer(body=b"{}") if "a.json" in asked.path else error_answer(403, "AccessDenied")

    with fake_s3(answer) as fake:
        inbox = open_inbox(fake.access(), S3Location("bucket", "in/"))
        assert [message.receipt for message in inbox.receive(10, _soon())] == ["in/a.json"]
        readable.clear()
        with pytest.raises(AccessDenied, match=r"in/b\.json"):
            inbox.receive(10, _soon())


def test_files_that_cannot_be_deleted_are_counted():
    refused = b"<DeleteResult><Error><Key>in/a.json</Key><Code>AccessDenied</Code></Error>"

    with fake_s3(lambda asked: Answer(body=refused + b"</DeleteResult>")) as fake:
        inbox = open_inbox(fake.access(), S3Location("bucket", "in/"))

        assert inbox.delete([Message("", "", f"in/{name}.json") for name in "ab"]) == 1


def test_an_inbox_in_a_bucket_that_is_not_there_is_named(moto: MotoServer):
    inbox = open_inbox(Access(), S3Location("no-such-bucket", "in/"))

    with pytest.raises(NoSuchBucket, match="no-such-bucket"):
        inbox.receive(1, _soon())
