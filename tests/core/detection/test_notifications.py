"""What is made of the messages about uploads, in all the shapes in which they arrive."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3pipelines.core.detection.notifications import (
    Notice,
    Reading,
    read_inbox_file,
    read_message,
)

KEYS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=200
).filter(lambda key: len(key.encode()) <= 1024)
NAMES = ["Records", "s3", "object", "bucket", "name", "key", "size", "Type", "Message", "detail"]
NAMES += ["source", "detail-type", "eventSource", "eventName", "Event", "path"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5) | st.sampled_from(NAMES),
            inner
            | st.sampled_from(["aws.s3", "aws:s3", "Notification", "s3:TestEvent", "s3://b/k"]),
            max_size=5,
        )
    ),
    max_leaves=20,
)


def _record(key: str, **more: Any) -> dict[str, Any]:
    """As in AWS's page "Event message structure"."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-west-2",
        "eventTime": "1970-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "testConfigRule",
            "bucket": {"name": "amzn-s3-demo-bucket", "arn": "arn:aws:s3:::amzn-s3-demo-bucket"},
            "object": {
                "key": quote_plus(key),
                "size": 1024,
                "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
                "sequencer": "0055AED6DCD90281E5",
            },
        },
        **more,
    }


def _from_s3(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": list(records)})


def _from_event_bridge(key: str, **more: Any) -> str:
    """As in AWS's page "EventBridge event message structure"."""
    event = {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2021-11-12T00:00:00Z",
        "region": "ca-central-1",
        "resources": ["arn:aws:s3:::amzn-s3-demo-bucket1"],
        "detail": {
            "version": "0",
            "bucket": {"name": "amzn-s3-demo-bucket1"},
            "object": {
                "key": key,
                "size": 5,
                "etag": "b1946ac92492d2347c6235b4d2611184",
                "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
                "sequencer": "617f08299329d189",
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "reason": "PutObject",
        },
        **more,
    }
    return json.dumps(event)


def _by_sns(message: str, kind: str = "Notification") -> str:
    """As in AWS's page "Amazon SNS message and JSON formats"."""
    return json.dumps(
        {
            "Type": kind,
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic",
            "Subject": "Amazon S3 Notification",
            "Message": message,
            "Timestamp": "2012-05-02T00:54:06.655Z",
            "SignatureVersion": "1",
        }
    )


def _only_reason(reading: Reading) -> str:
    assert reading.notices == ()
    [reason] = reading.reasons
    assert reason.endswith(".")
    assert reason.isprintable()
    return reason


def test_an_event_of_s3_is_read_whole():
    assert read_message(_from_s3(_record("a b.tif"))) == Reading(
        (
            Notice(
                bucket="amzn-s3-demo-bucket",
                key="a b.tif",
                event="ObjectCreated:Put",
                sequencer="0055AED6DCD90281E5",
                version_id="096fKKXTRTtl3on89fVO.nfljtsv6qko",
                etag="d41d8cd98f00b204e9800998ecf8427e",
                size_bytes=1024,
                event_time=datetime(1970, 1, 1, tzinfo=UTC),
            ),
        )
    )


def test_an_event_of_event_bridge_is_read_whole():
    assert read_message(_from_event_bridge("a b.tif")) == Reading(
        (
            Notice(
                bucket="amzn-s3-demo-bucket1",
                key="a b.tif",
                event="Object Created",
                sequencer="617f08299329d189",
                version_id="IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
                etag="b1946ac92492d2347c6235b4d2611184",
                size_bytes=5,
                event_time=datetime(2021, 11, 12, tzinfo=UTC),
            ),
        )
    )


@given(KEYS)
@example("a+b c%20d/ü😀.tif")
@example("a%2Bb")
@example("\ufeff")
def test_every_key_comes_back_as_it_was_in_each_shape(key: str):
    direct, bridged = _from_s3(_record(key)), _from_event_bridge(key)

    for body in (direct, bridged, _by_sns(direct), _by_sns(bridged)):
        [notice] = read_message(body).notices
        assert notice.key == key
    for written in ({"key": key}, {"key": "other", "path": f"s3://some-bucket/{key}"}):
        [notice] = read_inbox_file(json.dumps(written)).notices
        assert notice.key == key


@given(st.text())
@example("[" * 100_000)
@example('{"a":' * 100_000)
@example("1" * 5_000)
@example("\udc80")
def test_no_text_raises(body: str):
    for reading in (read_message(body), read_inbox_file(body)):
        assert reading.notices == ()
        assert _only_reason(reading)


@given(JSON)
@example({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "\ud800"}}}]})
@example({"Type": "Notification", "Message": "{}"})
def test_no_json_raises_and_a_notice_holds_only_text_that_can_be_stored(value: object):
    body = json.dumps(value)
    for reading in (read_message(body), read_message(_by_sns(body)), read_inbox_file(body)):
        for notice in reading.notices:
            assert notice.key
            for text in (notice.bucket, notice.key, notice.event, notice.etag or ""):
                assert "\0" not in text
                assert text.encode().decode() == text
        assert all(reason.isprintable() for reason in reading.reasons)


def test_the_good_records_of_a_message_count_and_the_bad_ones_are_named():
    broken = _record("b")
    broken["s3"]["object"]["key"] = "%FF"
    body = _from_s3(_record("a"), broken, _record("c"), {"eventSource": "aws:ses"})

    reading = read_message(body)

    assert [notice.key for notice in reading.notices] == ["a", "c"]
    assert reading.reasons == (
        "Record 2: The key '%FF' is not URL-encoded UTF-8.",
        "Record 4: It is not of S3, but of 'aws:ses'.",
    )


def test_the_event_that_s3_sends_to_try_a_queue_says_nothing():
    tried = json.dumps(
        {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": "2014-10-13T15:57:02.089Z",
            "Bucket": "amzn-s3-demo-bucket",
            "RequestId": "5582815E1AEA5ADF",
        }
    )
    assert read_message(tried) == read_message(_by_sns(tried)) == Reading()


def test_a_subscription_that_awaits_its_confirmation_is_told():
    reason = _only_reason(read_message(_by_sns("You have chosen …", "SubscriptionConfirmation")))

    assert "awaits its confirmation" in reason


def test_an_event_with_an_unknown_name_is_a_notice_too():
    [notice] = read_message(_from_s3(_record("a", eventName="ObjectAnnealed:Twice"))).notices
    assert (notice.key, notice.event) == ("a", "ObjectAnnealed:Twice")
    [notice] = read_message(_from_event_bridge("a", **{"detail-type": "Object Annealed"})).notices
    assert (notice.key, notice.event) == ("a", "Object Annealed")


def test_events_of_servers_that_do_as_s3_does_are_notices():
    record = _record("a", eventSource="minio:s3", eventName="s3:ObjectCreated:Put")

    [notice] = read_message(_from_s3(record)).notices

    assert (notice.key, notice.event) == ("a", "ObjectCreated:Put")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("size", "5"),
        ("size", -1),
        ("size", True),
        ("size", 2**70),
        ("eTag", 7),
        ("eTag", "\ud800"),
        ("versionId", ["v"]),
        ("sequencer", {}),
    ],
)
def test_a_hint_that_is_not_what_it_should_be_counts_as_not_told(part: str, value: object):
    record = _record("a")
    record["s3"]["object"][part] = value

    reading = read_message(_from_s3(record))

    [notice] = reading.notices
    assert reading.reasons == ()
    names = {"size": "size_bytes", "eTag": "etag", "versionId": "version_id"}
    assert getattr(notice, names.get(part, part)) is None


@pytest.mark.parametrize(
    "time", ["yesterday", 1700000000.5, None, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59-14:00"]
)
def test_a_time_that_is_none_counts_as_not_told(time: object):
    [notice] = read_message(_from_event_bridge("a", time=time)).notices
    assert notice.event_time is None


def test_times_are_in_utc():
    record = _record("a", eventTime="2024-01-01T02:00:00.250+02:00")
    [notice] = read_message(_from_s3(record)).notices
    assert notice.event_time == datetime(2024, 1, 1, microsecond=250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "no text under 'key'"),
        (7, "no text under 'key'"),
        (None, "no text under 'key'"),
        ("a%ffb", "not URL-encoded UTF-8"),
        ("a\ud800b", "no text"),
        ("a%00b", "a NUL"),
        ("%ED%A0%80", "not URL-encoded UTF-8"),
        ("a" * 1025, "more than 1,024 bytes"),
    ],
)
def test_a_key_that_no_object_can_have_is_a_reason(key: object, why: str):
    record = _record("a")
    record["s3"]["object"]["key"] = key

    assert why in _only_reason(read_message(_from_s3(record)))


@pytest.mark.parametrize("key", ["a\ud800b", "a\0b"])
def test_a_key_that_is_no_text_gets_through_in_no_shape(key: str):
    for reading in (
        read_message(_from_event_bridge(key)),
        read_inbox_file(json.dumps({"key": key})),
        read_inbox_file(json.dumps({"path": f"s3://bucket/{key}"})),
    ):
        assert "no text" in _only_reason(reading)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "not JSON"),
        ("hello", "not JSON: 'hello'"),
        ("[]", "not a JSON object, but a list"),
        ("7", "not a JSON object"),
        ("{}", "no event of S3"),
        ('{"Records": []}', "no list of records"),
        ('{"Records": {"s3": {}}}', "no list of records"),
        ('{"Records": [7]}', "Record 1: The record is not a JSON object"),
        ('{"Records": [{"eventSource": 7}]}', "not of S3"),
        ('{"Records": [{"eventSource": "aws:s3"}]}', "'s3' is not a JSON object, but nothing"),
        ('{"Records": [{"s3": {"object": {"key": "a"}}}]}', "'bucket' is not a JSON object"),
        ('{"Records": [{"s3": {"object": {"key": "a"}, "bucket": {}}}]}', "bucket is missing"),
        ('{"source": "aws.ec2", "detail": {}}', "not of S3, but of 'aws.ec2'"),
        ('{"source": "aws.s3", "detail-type": "x"}', "'detail' is not a JSON object"),
        ('{"Type": "Notification"}', "no event of S3"),
        ('{"Type": "Notification", "Message": {}}', "no text under 'Message'"),
        ('{"Type": "Notification", "Message": "hello"}', "not JSON: 'hello'"),
    ],
)
def test_what_is_no_event_of_s3_says_why(body: str, why: str):
    assert why in _only_reason(read_message(body))


def test_a_file_of_an_inbox_names_the_object_by_its_path_before_its_key():
    def named(body: str) -> tuple[str, str, str]:
        [notice] = read_inbox_file(body).notices
        return notice.bucket, notice.key, notice.event

    assert named('{"key": "a+b%20c", "path": "s3://x/y/z+%20"}') == ("x", "y/z+%20", "inbox")
    assert named('{"key": "a+b%20c", "path": "/mnt/a"}') == ("", "a+b%20c", "inbox")
    assert named('{"key": "a", "path": "s3://x/"}') == ("", "a", "inbox")
    assert named('\ufeff{"key": "a", "path": null}') == ("", "a", "inbox")


@pytest.mark.parametrize("body", ["", "{}", '{"path": "/mnt/a"}', '{"key": 7}', '[{"key": "a"}]'])
def test_a_file_of_an_inbox_that_names_nothing_is_a_reason(body: str):
    _only_reason(read_inbox_file(body))
