"""The SQS queue that buckets notify: made if it is not there, and open to S3's messages."""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from botocore.client import BaseClient

from s3pipelines.core.errors import InvalidInput, NoSuchQueue
from s3pipelines.core.storage.access import AWS_ENDPOINT, Access, same_endpoint
from s3pipelines.core.storage.failures import queue_errors
from s3pipelines.core.storage.queues import VISIBILITY_S, queue_client, sqs_client

DEFAULT_QUEUE = "s3pipelines-uploads"
# The longest that SQS keeps messages: a collection may stand still over somebody's holidays.
_RETENTION_S = 14 * 24 * 3600
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


@dataclass(frozen=True)
class EventQueue:
    """A queue that is there.

    Attributes:
        client: Talks to its server.
        url: Its URL.
        arn: Its ARN, as bucket configurations name it.
        made: It was not there before.
    """

    client: BaseClient
    url: str
    arn: str
    made: bool


def find_or_make_queue(
    access: Access, name_or_url: str, *, s3_endpoint: str, region: str
) -> EventQueue:
    """The queue of that name beside the bucket, made if it is not there; or the one at a URL.

    Args:
        access: How the bucket is reached; the queue is reached with the same identity.
        name_or_url: What names the queue.
        s3_endpoint: The address at which the bucket is.
        region: The region of the bucket, which must be that of the queue.

    Raises:
        InvalidInput: `name_or_url` cannot name a queue that S3 can notify.
        NoSuchQueue: There is none at that URL.
        StorageError: The queue cannot be asked or made.
    """
    if name_or_url.endswith(".fifo"):
        raise InvalidInput(
            f"{name_or_url!r} is a FIFO queue, which S3 cannot notify.",
            hint="Name a standard queue.",
        )
    if "://" in name_or_url:
        client, url, made = queue_client(access, name_or_url), name_or_url, False
    elif _NAME.fullmatch(name_or_url):
        client = _client_beside(access, s3_endpoint, region)
        url, made = _url_of(client, name_or_url)
    else:
        raise InvalidInput(
            f"{name_or_url!r} cannot be the name of a queue.",
            hint="Use up to 80 letters, digits, '-' and '_', or the URL of a queue.",
        )
    return EventQueue(client, url, _attribute(client, url, "QueueArn"), made)


def let_bucket_send(queue: EventQueue, bucket: str) -> bool:
    """Let S3 send the events of a bucket of the same account; tells whether that was new.

    Raises:
        StorageError: The policy of the queue cannot be read or written.
    """
    before = _attribute(queue.client, queue.url, "Policy")
    with queue_errors(queue.url):
        policy: dict[str, Any] = json.loads(before) if before else {}
        after = with_statement(policy, statement_for(queue.arn, bucket))
        if after == policy:
            return False
        queue.client.set_queue_attributes(
            QueueUrl=queue.url, Attributes={"Policy": json.dumps(after)}
        )
    return True


def statement_for(queue_arn: str, bucket: str) -> dict[str, Any]:
    """The statement of a queue's policy that lets S3 send to it for one bucket, and no other."""
    partition, account = queue_arn.split(":")[1], queue_arn.split(":")[4]
    return {
        # Letters and digits only, as AWS asks for; bucket names have dots and hyphens.
        "Sid": f"S3pipelinesUploads{hashlib.sha256(bucket.encode()).hexdigest()[:12]}",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:{partition}:s3:::{bucket}"},
            # A bucket's ARN does not name its owner, and the name may be somebody else's one day.
            "StringEquals": {"aws:SourceAccount": account},
        },
    }


def with_statement(policy: dict[str, Any], statement: dict[str, Any]) -> dict[str, Any]:
    """`policy` with `statement` in the place of its older self, and all others as they are."""
    statements = policy.get("Statement", [])
    if isinstance(statements, dict):  # AWS takes a single one without a list, too.
        statements = [statements]
    if statement in statements:
        return policy
    others = [other for other in statements if other.get("Sid") != statement["Sid"]]
    return {"Version": "2012-10-17", **policy, "Statement": [*others, statement]}


def _client_beside(access: Access, s3_endpoint: str, region: str) -> BaseClient:
    endpoint = access.endpoint_url
    if endpoint is not None and same_endpoint(endpoint, AWS_ENDPOINT):
        # One of S3's own addresses (private, FIPS …), at which there is no SQS.
        endpoint = AWS_ENDPOINT
    client = sqs_client(replace(access, endpoint_url=endpoint, region=region))
    if same_endpoint(client.meta.endpoint_url, AWS_ENDPOINT) and not same_endpoint(
        s3_endpoint, AWS_ENDPOINT
    ):
        raise InvalidInput(
            f"The bucket lies at {s3_endpoint}, which cannot notify a queue of AWS.",
            hint="Name a queue of that server by its URL, or set AWS_ENDPOINT_URL_SQS. "
            "Without notifications, uploads are found by listing.",
        )
    return client


def _url_of(client: BaseClient, name: str) -> tuple[str, bool]:
    try:
        with queue_errors(name):
            return client.get_queue_url(QueueName=name)["QueueUrl"], False
    except NoSuchQueue:
        pass
    attributes = {
        "VisibilityTimeout": str(VISIBILITY_S),
        "MessageRetentionPeriod": str(_RETENTION_S),
    }
    with queue_errors(name):
        return client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], True


def _attribute(client: BaseClient, url: str, name: str) -> str:
    with queue_errors(url):
        answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return answer.get("Attributes", {}).get(name, "")
