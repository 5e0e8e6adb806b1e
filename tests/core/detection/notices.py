"""Messages as S3 and those who pass them on write them."""

import json
from typing import Any
from urllib.parse import quote_plus


def record(bucket: str, key: str, event: str = "ObjectCreated:Put", **told: Any) -> dict[str, Any]:
    """One record of an S3 notification."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": "2026-01-01T12:00:00.000Z",
        "eventName": event,
        "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key), **told}},
    }


def straight(*records: dict[str, Any]) -> str:
    """S3 → SQS."""
    return json.dumps({"Records": records})


def through_sns(*records: dict[str, Any]) -> str:
    """S3 → SNS → SQS."""
    return json.dumps({"Type": "Notification", "MessageId": "1", "Message": straight(*records)})


def through_eventbridge(bucket: str, key: str, kind: str = "Object Created", **told: Any) -> str:
    """S3 → EventBridge → SQS; its keys are not encoded."""
    detail = {"version": "0", "bucket": {"name": bucket}, "object": {"key": key, **told}}
    return json.dumps(
        {
            "version": "0",
            "detail-type": kind,
            "source": "aws.s3",
            "time": "2026-01-01T12:00:00Z",
            "detail": detail,
        }
    )
