"""An SQS queue as a mailbox, on moto; what moto cannot do, a server of our own says."""

import json
import time
import uuid
from collections.abc import Callable

import pytest

from s3pipelines.core.errors import (
    AccessDenied,
    BadCredentials,
    InvalidInput,
    NoSuchQueue,
    StorageError,
    Throttled,
    Unreachable,
)
from s3pipelines.core.storage.access import Access, StaticKeys
from s3pipelines.core.storage.mailboxes import Depth, Mailbox, Message
from s3pipelines.core.storage.queues import open_queue, queue_client, sqs_client
from s3pipelines.services.moto import MotoServer
from s3pipelines.services.ports import free_port
from tests.core.storage.conftest import ConfigureAws
from tests.core.storage.fake_s3 import Answer, Asked, fake_s3

KEYS = StaticKeys("key-id", "secret-value")
Send = Callable[..., None]


@pytest.fixture
def url(moto: MotoServer) -> str:
    """A new, empty queue."""
    return sqs_client(Access()).create_queue(QueueName=f"q-{uuid.uuid4().hex[:12]}")["QueueUrl"]


@pytest.fixture
def send(url: str) -> Send:
    """Send messages to the queue of the test."""
    client = sqs_client(Access())

    def send_all(*bodies: str) -> None:
        for at in range(0, len(bodies), 10):
            entries = [
                {"Id": str(number), "MessageBody": body}
                for number, body in enumerate(bodies[at : at + 10])
            ]
            client.send_message_batch(QueueUrl=url, Entries=entries)

    return send_all


def _soon() -> float:
    return time.monotonic() + 30


def test_messages_that_were_deleted_do_not_come_again(url: str, send: Send):
    bodies = [f"message {number} ü😀" for number in range(137)]
    send(*bodies)
    queue: Mailbox = open_queue(Access(), url)

    messages = queue.receive(1000, _soon())

    assert sorted(message.body for message in messages) == sorted(bodies)
    assert len({message.id for message in messages}) == 137
    assert queue.depth() == Depth(visible=0, in_flight=137, delayed=0)
    assert queue.delete(messages) == 0
    assert queue.depth() == Depth(0, 0, 0)


def test_no_more_messages_are_received_than_are_wanted(url: str, send: Send):
    send(*map(str, range(60)))
    queue = open_queue(Access(), url)

    assert len(queue.receive(7, _soon())) == 7
    assert len(queue.receive(35, _soon())) == 35
    assert len(queue.receive(0, _soon())) == 0
    assert queue.depth() == Depth(visible=18, in_flight=42, delayed=0)


def test_nothing_is_received_after_the_deadline(url: str, send: Send):
    send("a")

    assert open_queue(Access(), url).receive(10, time.monotonic() - 1) == []


def test_received_messages_hide_from_others_for_two_minutes(url: str, send: Send):
    with fake_s3(lambda asked: Answer(body=b"{}")) as fake:
        open_queue(fake.access(), f"{fake.url}/1/q").receive(10, _soon())

    assert json.loads(fake.asked[0].body) == {
        "QueueUrl": f"{fake.url}/1/q",
        "MaxNumberOfMessages": 10,
        "VisibilityTimeout": 120,
        "WaitTimeSeconds": 1,
    }


def test_messages_that_cannot_be_deleted_are_counted_and_the_others_are_gone(url: str, send: Send):
    send(*map(str, range(25)))
    queue = open_queue(Access(), url)
    messages = queue.receive(100, _soon())

    left = queue.delete([*messages, Message("id", "", "no receipt")])

    assert left == 1
    assert queue.depth() == Depth(0, 0, 0)


def test_what_some_threads_received_is_not_lost_to_the_failure_of_another():
    answers = iter(range(1_000))

    def answer(asked: Asked) -> Answer:
        number = next(answers)
        if number == 0:
            message = {"MessageId": "id", "Body": "body", "ReceiptHandle": "receipt"}
            return Answer(body=json.dumps({"Messages": [message]}).encode())
        return _refusal(400, "com.amazonaws.sqs#OverLimit")

    with fake_s3(answer) as fake:
        queue = open_queue(fake.access(), f"{fake.url}/1/q")

        assert queue.receive(100, _soon()) == [Message("id", "body", "receipt")]
        with pytest.raises(Throttled):
            queue.receive(100, _soon())


def _refusal(status: int, kind: str, query_code: str = "") -> Answer:
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    if query_code:
        headers["x-amzn-query-error"] = f"{query_code};Sender"
    return Answer(status, json.dumps({"__type": kind, "message": "No."}).encode(), headers)


@pytest.mark.parametrize(
    ("refusal", "kind", "says"),
    [
        (
            _refusal(
                400,
                "com.amazonaws.sqs#QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue",
            ),
            NoSuchQueue,
            "Check S3PIPELINES_UPLOAD_QUEUE_URL",
        ),
        (_refusal(400, "com.amazonaws.sqs#QueueDoesNotExist"), NoSuchQueue, "There is no queue"),
        (
            _refusal(403, "com.amazon.coral.service#AccessDeniedException", "AccessDenied"),
            AccessDenied,
            "is denied (ReceiveMessage)",
        ),
        (_refusal(403, "AccessDeniedException"), AccessDenied, "is denied"),
        (_refusal(403, "InvalidClientTokenId"), BadCredentials, "does not know this access key"),
        (_refusal(400, "RequestThrottled"), Throttled, "slow down"),
        (_refusal(400, "Odd"), StorageError, "Odd"),
        (Answer(502, b"<html>Bad gateway</html>"), Unreachable, "fails on its own side"),
    ],
    ids=str,
)
def test_what_sqs_refuses_is_one_line_that_names_the_queue(
    refusal: Answer, kind: type[StorageError], says: str
):
    with fake_s3(lambda asked: refusal) as fake:
        url = f"{fake.url}/1/q"
        with pytest.raises(StorageError) as caught:
            open_queue(fake.access(max_attempts=1), url).receive(1, _soon())

    assert type(caught.value) is kind
    assert url in caught.value.message
    assert says in str(caught.value)


def test_a_queue_that_is_not_there_is_named(moto: MotoServer):
    queue = open_queue(Access(), f"{moto.endpoint}/123456789012/no-such-queue")

    for use in (lambda: queue.receive(1, _soon()), queue.depth):
        with pytest.raises(NoSuchQueue, match="no-such-queue"):
            use()


def test_a_server_that_is_not_there_is_unreachable():
    queue = open_queue(
        Access(static_keys=KEYS, region="us-east-1", max_attempts=1),
        f"http://127.0.0.1:{free_port()}/1/q",
    )

    with pytest.raises(Unreachable, match="Check S3PIPELINES_UPLOAD_QUEUE_URL, and the network"):
        queue.receive(1, _soon())


@pytest.mark.usefixtures("no_aws")
def test_without_credentials_the_queue_is_named():
    queue = open_queue(Access(), "https://sqs.eu-central-1.amazonaws.com/1/q")

    with pytest.raises(BadCredentials, match=r"sqs\.eu-central-1\.amazonaws\.com/1/q"):
        queue.depth()


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("sqs.eu-central-1.amazonaws.com", "eu-central-1"),
        ("sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("sqs-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("vpce-1-abc.sqs.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ("sqs.eu-west-1.api.aws", "eu-west-1"),
        ("eu-west-1.queue.amazonaws.com", "eu-west-1"),
        ("sqs.example.org:9324", "us-west-2"),
    ],
)
@pytest.mark.usefixtures("no_aws")
def test_the_url_of_a_queue_says_where_it_is_asked_whatever_s3_is_used(
    host: str, region: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    access = Access(endpoint_url="http://minio:9000", region="us-west-2", verify=False)

    client = queue_client(access, f"https://{host}/123456789012/name")

    assert client.meta.endpoint_url == f"https://{host}"
    assert client.meta.region_name == region


def test_the_region_of_another_server_comes_from_the_usual_chain(configure_aws: ConfigureAws):
    configure_aws("[default]\nregion = eu-north-1\n")

    assert queue_client(Access(), "http://elasticmq:9324/q").meta.region_name == "eu-north-1"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "uploads",
        "s3://bucket/queue",
        "https://",
        "https:///q",
        "https://host",
        "http://[::1/q",
        "http://host:99999/q",
        "http://user@host/q",
        "https://host/a b",
        "https://host/a\nb",
    ],
)
def test_what_is_no_url_of_a_queue_is_invalid(url: str):
    with pytest.raises(InvalidInput, match="not the URL of an SQS queue"):
        open_queue(Access(), url)
