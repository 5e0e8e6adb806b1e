"""Buckets that notify a queue: on moto from end to end, and what a fake server refuses."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

import boto3
import pytest

from s3pipelines.core.detection.notifications import Notice, read_message
from s3pipelines.core.errors import (
    AccessDenied,
    InvalidInput,
    NoSuchBucket,
    NoSuchQueue,
    StorageError,
)
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.bucket_events import EVENTS, Notified, merged, notify_queue
from s3pipelines.core.storage.event_queues import statement_for, with_statement
from s3pipelines.core.storage.queues import open_queue, sqs_client
from s3pipelines.services.moto import MotoServer
from tests.core.storage.fake_s3 import Answer, Asked, error_answer, fake_s3

ARN = "arn:aws:sqs:us-east-1:123456789012:uploads"
OTHER_ARN = "arn:aws:sqs:us-east-1:123456789012:other"
ODD_KEY = "a b+c%20/ü😀 &=.tif"


@pytest.fixture
def queue_name() -> str:
    """A name that no queue has."""
    return f"q-{uuid.uuid4().hex[:12]}"


def _notices(url: str) -> list[Notice]:
    queue = open_queue(Access(), url)
    messages = queue.receive(1000, time.monotonic() + 30)
    queue.delete(messages)
    readings = [read_message(message.body) for message in messages]
    assert [reading.reasons for reading in readings if reading.reasons] == []
    return [notice for reading in readings for notice in reading.notices]


def _rules(s3, bucket: str) -> dict[str, Any]:
    answer = s3.get_bucket_notification_configuration(Bucket=bucket)
    return {name: value for name, value in answer.items() if name.endswith("Configurations")}


def _policy(url: str) -> dict[str, Any]:
    answer = sqs_client(Access()).get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    return json.loads(answer["Attributes"]["Policy"])


def test_an_upload_arrives_in_the_queue_under_its_key(s3, bucket: str, queue_name: str):
    done = notify_queue(Access(), bucket, queue=queue_name)
    s3.put_object(Bucket=bucket, Key=ODD_KEY, Body=b"123")

    [notice] = _notices(done.queue_url)

    assert (notice.bucket, notice.key, notice.size_bytes) == (bucket, ODD_KEY, 3)
    assert notice.event == "ObjectCreated:Put"
    assert notice.event_time is not None
    s3.delete_object(Bucket=bucket, Key=ODD_KEY)
    [notice] = _notices(done.queue_url)
    assert (notice.key, notice.event) == (ODD_KEY, "ObjectRemoved:Delete")


def test_the_queue_is_made_with_its_times_and_let_s3_send_for_this_bucket_only(
    bucket: str, queue_name: str
):
    done = notify_queue(Access(), bucket, queue=queue_name)

    attributes = sqs_client(Access()).get_queue_attributes(
        QueueUrl=done.queue_url, AttributeNames=["All"]
    )["Attributes"]
    assert attributes["VisibilityTimeout"] == "120"
    assert attributes["MessageRetentionPeriod"] == str(14 * 24 * 3600)
    [statement] = json.loads(attributes["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"] == {
        "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }


def test_twice_is_once(s3, bucket: str, queue_name: str):
    first = notify_queue(Access(), bucket, ["a/", "b ü/"], queue_name)
    rules, policy = _rules(s3, bucket), _policy(first.queue_url)

    second = notify_queue(Access(), bucket, ["b ü/", "a/"], queue_name)

    assert len(first.changes) == 3
    assert second == Notified(
        bucket, first.queue_url, first.queue_arn, prefixes=first.prefixes, changes=()
    )
    assert sorted(second.prefixes) == ["a/", "b ü/"]
    assert (_rules(s3, bucket), _policy(first.queue_url)) == (rules, policy)


def test_only_keys_below_the_prefixes_arrive(s3, bucket: str, queue_name: str):
    done = notify_queue(Access(), bucket, ["a b/", "ü/"], queue_name)
    for key in ("a b/1", "a b", "c/2", "ü/3"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")

    assert sorted(notice.key for notice in _notices(done.queue_url)) == ["a b/1", "ü/3"]


def test_the_rules_of_others_and_the_statements_of_others_stay(s3, bucket: str, queue_name: str):
    sqs, sns = sqs_client(Access()), boto3.client("sns")
    topic = sns.create_topic(Name=queue_name)["TopicArn"]
    url = sqs.create_queue(QueueName=queue_name)["QueueUrl"]
    theirs = {"Sid": "theirs", "Effect": "Deny", "Principal": "*", "Action": "sqs:*"}
    policy = {"Version": "2008-10-17", "Id": "p", "Statement": [{**theirs, "Resource": "*"}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    suffix = {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".log"}]}}
    created = ["s3:ObjectCreated:Put"]
    others = {
        "TopicConfigurations": [{"Id": "t", "TopicArn": topic, "Events": created}],
        "QueueConfigurations": [
            {"Id": "q", "QueueArn": OTHER_ARN, "Events": created, "Filter": suffix}
        ],
        "LambdaFunctionConfigurations": [
            {
                "Id": "l",
                "LambdaFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f",
                "Events": ["s3:ObjectTagging:*"],
            }
        ],
    }
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=others)

    done = notify_queue(Access(), bucket, queue=url)

    after = _rules(s3, bucket)
    own = after["QueueConfigurations"].pop()
    assert after == others
    assert (own["Id"], own["Events"]) == ("s3pipelines-uploads", list(EVENTS))
    kept = _policy(url)
    assert kept["Statement"].pop() == statement_for(done.queue_arn, bucket)
    assert kept == policy


def test_a_bucket_may_notify_through_a_topic_and_through_event_bridge(
    s3, bucket: str, queue_name: str
):
    sqs, sns, events = sqs_client(Access()), boto3.client("sns"), boto3.client("events")
    url = sqs.create_queue(QueueName=queue_name)["QueueUrl"]
    names = {"QueueUrl": url, "AttributeNames": ["QueueArn"]}
    arn = sqs.get_queue_attributes(**names)["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name=queue_name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    # moto makes an event of its own of the tags of a new object, even if it has none.
    pattern = {"detail-type": ["Object Created"], "detail": {"bucket": {"name": [bucket]}}}
    events.put_rule(Name=queue_name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=queue_name, Targets=[{"Id": "q", "Arn": arn}])
    rule = {"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={"TopicConfigurations": [rule], "EventBridgeConfiguration": {}},
    )

    s3.put_object(Bucket=bucket, Key=ODD_KEY, Body=b"123")

    found = _notices(url)
    assert sorted(notice.event for notice in found) == ["Object Created", "ObjectCreated:Put"]
    assert {(n.bucket, n.key, n.size_bytes) for n in found} == {(bucket, ODD_KEY, 3)}


@pytest.mark.parametrize("name", ["", "a b", "ü", "a" * 81, "a/b", "uploads.fifo", "http://x"])
def test_what_cannot_be_a_queue_is_refused_before_anything_changes(s3, bucket: str, name: str):
    with pytest.raises(InvalidInput):
        notify_queue(Access(), bucket, queue=name)

    assert _rules(s3, bucket) == {}


def test_a_queue_at_a_url_is_not_made(moto: MotoServer, bucket: str, queue_name: str):
    with pytest.raises(NoSuchQueue, match=queue_name):
        notify_queue(Access(), bucket, queue=f"{moto.endpoint}/123456789012/{queue_name}")


def test_no_queue_is_made_for_a_bucket_that_is_not_there(moto: MotoServer, queue_name: str):
    with pytest.raises(NoSuchBucket):
        notify_queue(Access(), "no-such-bucket", queue=queue_name)

    assert "QueueUrls" not in sqs_client(Access()).list_queues(QueueNamePrefix=queue_name)


def test_a_prefix_that_is_no_text_is_refused(bucket: str):
    with pytest.raises(InvalidInput, match="prefix"):
        notify_queue(Access(), bucket, ["a\udc80/"])


@pytest.mark.usefixtures("no_aws")
def test_no_queue_of_aws_is_made_for_a_bucket_that_lies_elsewhere(monkeypatch: pytest.MonkeyPatch):
    with fake_s3(lambda asked: Answer(body=b"<NotificationConfiguration/>")) as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", fake.url)
        with pytest.raises(InvalidInput, match="cannot notify a queue of AWS"):
            notify_queue(fake.access(endpoint_url=None, region="us-east-1"), "bucket")


# What is put into the configuration.


def _prefixes(configuration: dict[str, Any]) -> list[str]:
    rules = configuration["QueueConfigurations"]
    filters = [rule.get("Filter", {"Key": {"FilterRules": [{"Value": ""}]}}) for rule in rules]
    return sorted(one["Key"]["FilterRules"][0]["Value"] for one in filters)


def test_the_prefixes_of_earlier_calls_are_kept():
    first = merged({}, ARN, ["a/"], encoded=False)

    assert _prefixes(merged(first, ARN, ["b/"], encoded=False)) == ["a/", "b/"]


def test_no_two_rules_overlap():
    assert _prefixes(merged({}, ARN, ["a/", "a/b/", "ab/"], encoded=False)) == ["a/", "ab/"]
    first = merged({}, ARN, ["a/", "b/"], encoded=False)
    assert _prefixes(merged(first, ARN, [""], encoded=False)) == [""]


def test_a_rule_of_ours_moves_to_another_queue():
    first = merged({}, OTHER_ARN, ["a/", "b/"], encoded=False)

    moved = merged(first, ARN, ["a/"], encoded=False)

    arns = [
        (rule["QueueArn"], _prefixes({"QueueConfigurations": [rule]}))
        for rule in moved["QueueConfigurations"]
    ]
    assert arns == [(OTHER_ARN, ["b/"]), (ARN, ["a/"])]


def test_aws_is_given_prefixes_url_encoded_and_they_are_known_again():
    first = merged({}, ARN, ["year=2024/a b+ü/"], encoded=True)
    assert _prefixes(first) == ["year%3D2024/a+b%2B%C3%BC/"]

    # As AWS returns it.
    [rule] = first["QueueConfigurations"]
    rule["Filter"]["Key"]["FilterRules"][0]["Name"] = "Prefix"
    rule["Filter"]["Key"]["FilterRules"].append({"Name": "Suffix", "Value": ""})
    rule["Events"].reverse()
    assert merged(first, ARN, ["year=2024/a b+ü/"], encoded=True) == first


def test_a_server_that_writes_a_prefix_otherwise_gets_no_second_rule_for_it():
    first = merged({}, ARN, ["a+b/"], encoded=True)
    # Had the server decoded it, `+` would be read as a space.
    first["QueueConfigurations"][0]["Filter"]["Key"]["FilterRules"][0]["Value"] = "a+b/"

    assert _prefixes(merged(first, ARN, ["a+b/"], encoded=True)) == ["a%2Bb/"]


def test_a_policy_with_a_single_statement_keeps_it():
    theirs = {"Sid": "theirs", "Effect": "Allow"}
    ours = statement_for(ARN.replace(":aws:", ":aws-cn:"), "bucket")

    policy = with_statement({"Version": "2012-10-17", "Statement": theirs}, ours)

    assert policy == {"Version": "2012-10-17", "Statement": [theirs, ours]}
    assert with_statement(policy, ours) == policy
    assert ours["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws-cn:s3:::bucket"}


# What moto does not do.


class _Aws:
    """One address that is S3 and SQS; `put` answers a new configuration, None: take it."""

    def __init__(self, before: str = "", *, put: Callable[[], Answer | None] | None = None) -> None:
        self.configuration = f"<NotificationConfiguration>{before}</NotificationConfiguration>"
        self._put = put or (lambda: None)

    def __call__(self, asked: Asked) -> Answer:
        if target := asked.headers.get("x-amz-target"):
            url = f"http://{asked.headers['host']}/1/uploads"
            told = {"GetQueueUrl": {"QueueUrl": url}, "SetQueueAttributes": {}}
            attributes = {"Attributes": {"QueueArn": ARN}}
            return Answer(body=json.dumps(told.get(target.split(".")[1], attributes)).encode())
        if asked.method == "PUT":
            refused = self._put()
            if refused is None:
                self.configuration = asked.body.decode()
            return refused or Answer()
        return Answer(body=self.configuration.encode())


def test_event_bridge_and_what_else_a_bucket_notifies_stays():
    theirs = (
        "<EventBridgeConfiguration/><TopicConfiguration><Id>t</Id><Topic>arn:aws:sns:r:1:t</Topic>"
        "<Event>s3:NewerThanBotocore:*</Event><Filter><S3Key><FilterRule><Name>Suffix</Name>"
        f"<Value>{escape('.a&b')}</Value></FilterRule></S3Key></Filter></TopicConfiguration>"
    )
    aws = _Aws(theirs)
    with fake_s3(aws) as fake:
        done = notify_queue(fake.access(region="us-east-1"), "bucket")
        again = notify_queue(fake.access(region="us-east-1"), "bucket")

    assert "told the bucket to notify the queue" in done.changes
    assert "told the bucket to notify the queue" not in again.changes
    for part in (
        "<EventBridgeConfiguration",
        "<Event>s3:NewerThanBotocore:*</Event>",
        "<Name>Suffix</Name><Value>.a&amp;b</Value>",
        f"<Queue>{ARN}</Queue>",
    ):
        assert part in aws.configuration


def test_a_queue_whose_new_policy_is_not_known_yet_is_tried_again():
    refusal = error_answer(
        400, "InvalidArgument", "Unable to validate the following destination configurations"
    )
    answers = iter([refusal, refusal, None])
    pauses: list[float] = []
    with fake_s3(_Aws(put=lambda: next(answers))) as fake:
        notify_queue(fake.access(region="us-east-1"), "bucket", pause=pauses.append)
    assert pauses == [1, 2]

    with fake_s3(_Aws(put=lambda: refusal)) as fake, pytest.raises(StorageError) as caught:
        notify_queue(fake.access(region="us-east-1"), "bucket", pause=pauses.append)
    assert "S3 cannot send to the queue" in caught.value.message
    assert sum(pauses) == 3 + 30


@pytest.mark.parametrize(
    ("refusal", "kind", "says"),
    [
        (
            error_answer(400, "InvalidArgument", "Configurations overlap. Configurations on …"),
            StorageError,
            "overlaps with ours; the others are 'theirs'.",
        ),
        (
            error_answer(400, "InvalidArgument", "The ARN is not well formed"),
            StorageError,
            "(InvalidArgument: The ARN is not well formed)",
        ),
        (error_answer(501, "NotImplemented"), StorageError, "uploads are found by listing"),
        (error_answer(403, "AccessDenied"), AccessDenied, "PutBucketNotificationConfiguration"),
    ],
    ids=str,
)
def test_a_server_that_refuses_says_what_to_do(
    refusal: Answer, kind: type[StorageError], says: str
):
    theirs = (
        f"<QueueConfiguration><Id>theirs</Id><Queue>{OTHER_ARN}</Queue>"
        "<Event>s3:ObjectCreated:*</Event></QueueConfiguration>"
    )
    with fake_s3(_Aws(theirs, put=lambda: refusal)) as fake, pytest.raises(kind) as caught:
        notify_queue(fake.access(region="us-east-1", max_attempts=1), "bucket")

    assert type(caught.value) is kind
    assert says in str(caught.value)


def test_a_server_without_notifications_is_told_before_a_queue_is_made():
    refused = pytest.raises(StorageError, match="cannot notify a queue")
    with fake_s3(lambda asked: error_answer(501, "NotImplemented")) as fake, refused:
        notify_queue(fake.access(region="us-east-1", max_attempts=1), "bucket")

    assert {asked.method for asked in fake.asked} == {"GET"}


def test_a_server_that_forgets_what_it_took_is_noticed():
    refused = pytest.raises(StorageError, match="does not show them")
    with fake_s3(_Aws(put=Answer)) as fake, refused:
        notify_queue(fake.access(region="us-east-1"), "bucket")
