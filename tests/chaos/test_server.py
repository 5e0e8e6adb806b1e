import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

import pytest
from botocore.exceptions import ClientError

from s3pipelines.core.errors import NoSuchBucket
from s3pipelines.core.storage.heads import ask_many
from s3pipelines.core.storage.listing.serial import list_pages
from s3pipelines.core.storage.locations import S3Location
from tests.chaos.client import Server, running_server
from tests.chaos.history import history, key_of, messages


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


def _drained(sqs: Any, url: str) -> list[dict[str, Any]]:
    bodies = []
    while taken := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        entries = [{"Id": m["MessageId"], "ReceiptHandle": m["ReceiptHandle"]} for m in taken]
        assert len(sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"])
        bodies += [json.loads(message["Body"]) for message in taken]
    return bodies


def _depth(sqs: Any, url: str) -> tuple[int, int]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(told[names[0]]), int(told[names[1]])


def test_boto3_finds_what_it_put(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="bucket")
    keys = ["a b+c/ü 🐟.tif", "a%20b", "z", "a&<b>", "dir/..", "."]
    for key in keys:
        s3.put_object(Bucket="bucket", Key=key, Body=key.encode())
    listed = [o["Key"] for o in s3.list_objects_v2(Bucket="bucket")["Contents"]]
    assert listed == sorted(keys, key=str.encode)
    assert s3.get_object(Bucket="bucket", Key=keys[0])["Body"].read() == keys[0].encode()
    part = s3.get_object(Bucket="bucket", Key="a%20b", Range="bytes=1-2")
    assert (part["Body"].read(), part["ContentRange"]) == (b"%2", "bytes 1-2/5")
    head = s3.head_object(Bucket="bucket", Key="z")
    assert (head["ContentLength"], head["LastModified"].microsecond) == (1, 0)
    s3.delete_object(Bucket="bucket", Key="z")
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="bucket", Key="z")
    assert s3.head_bucket(Bucket="bucket")


def test_our_own_listing_and_heads_find_the_same_objects(server: Server) -> None:
    server.control("play?bucket=bucket&seed=1&events=3000&keys=1500")
    server.control("release?events=3000")
    rows = {
        row["key"]: row
        for page in list_pages(server.access(), S3Location("bucket"), page_size=37)
        for row in page.objects.to_pylist()
    }
    truth = server.objects("bucket")
    assert rows.keys() == truth.keys()
    for answer in ask_many(server.access(), "bucket", map(key_of, range(300))):
        row = truth.get(answer.key)
        assert (answer.found is None) == (row is None)
        if answer.found is not None and row is not None:
            assert answer.found.etag == row["etag"] == rows[answer.key]["etag"]
            assert answer.found.last_modified.timestamp() == row["last_modified"]
    with pytest.raises(NoSuchBucket):
        list(ask_many(server.access(), "other", ["a"]))


def test_a_message_comes_back_until_it_is_deleted(server: Server) -> None:
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    entries = [{"Id": str(n), "MessageBody": f"ü {n}"} for n in range(3)]
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 3
    (first,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=1)["Messages"]
    others = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in (first, *others)] == ["ü 0", "ü 1", "ü 2"]
    assert _depth(sqs, url) == (0, 3)
    time.sleep(1.1)
    assert _depth(sqs, url) == (1, 2)
    (again,) = sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=1, MessageSystemAttributeNames=["All"]
    )["Messages"]
    assert again["Body"] == "ü 0"
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert _depth(sqs, url) == (0, 3)  # An old receipt deletes nothing.
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    assert _depth(sqs, url) == (0, 2)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.receive_message(QueueUrl=url + "-other")


def test_what_is_released_happens_and_is_told(server: Server) -> None:
    sqs = server.client("sqs")
    made = server.control("play?bucket=bucket&seed=3&events=500&keys=200&window=50")
    assert server.control("state", "GET")["objects"] == 0
    url = sqs.get_queue_url(QueueName="chaos")["QueueUrl"]
    bodies, expected = [], {}
    for _ in range(17):
        server.control("release?events=30")
        bodies += _drained(sqs, url)
    for event in history(3, 500, 200):
        expected[event.key] = (event.size, event.etag)
    truth = {key: (row["size"], row["etag"]) for key, row in server.objects("bucket").items()}
    assert truth == {key: facts for key, facts in expected.items() if facts[1]}
    state = server.control("state", "GET")
    assert (state["released"], state["queue_visible"], state["queue_in_flight"]) == (500, 0, 0)
    assert len(bodies) == made["messages"]
    records = [record["s3"]["object"] for body in bodies for record in body["Records"]]
    assert len({record["sequencer"] for record in records}) == 500 - made["lost_events"]
    assert {unquote_plus(record["key"]) for record in records} <= expected.keys()


def test_the_same_seed_is_the_same_history() -> None:
    rates = {"duplicates": 0.05, "lost": 0.05, "window": 100}
    assert history(5, 2000, 500) == history(5, 2000, 500) != history(6, 2000, 500)
    assert messages(5, 2000, **rates) == messages(5, 2000, **rates) != messages(6, 2000, **rates)


def test_as_much_is_written_deleted_lost_and_repeated_as_was_asked_for() -> None:
    events = history(1, 20_000, 20_000)
    seen: set[str] = set()
    kinds: Counter[str] = Counter()
    for event in events:
        kinds["delete" if not event.etag else "overwrite" if event.key in seen else "new"] += 1
        (seen.add if event.etag else seen.discard)(event.key)
    assert [round(kinds[kind] / 20_000, 1) for kind in ("overwrite", "delete")] == [0.3, 0.1]
    assert abs(kinds["new"] / 20_000 - 0.55) < 0.02
    windows = messages(1, 20_000, duplicates=0.05, lost=0.05, window=200)
    told = [message for each in windows for message in each]
    arrived = set(told)
    assert abs(1 - sum(map(len, arrived)) / 20_000 - 0.05) < 0.01
    assert abs((len(told) - len(arrived)) / len(arrived) - 0.05) < 0.01
    assert told != sorted(told, key=lambda message: message.start)
    assert {len(message) for message in arrived} == {1, 2, 3, 4, 5}
    for number, each in enumerate(windows):
        assert all(number - 1 <= (message.stop - 1) // 200 <= number for message in each)
