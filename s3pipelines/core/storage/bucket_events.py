"""Has a bucket notify an SQS queue of what happens to its objects.

A bucket has one notification configuration for everybody: it is read, ours is put in, and all of it
is written back. Rules of ours are known by their Id; those of others stay as they are.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from s3pipelines.core.errors import InvalidInput, StorageError
from s3pipelines.core.storage.access import AWS_ENDPOINT, Access, same_endpoint
from s3pipelines.core.storage.clients import botocore_session, client_of
from s3pipelines.core.storage.event_queues import (
    DEFAULT_QUEUE,
    find_or_make_queue,
    let_bucket_send,
)
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.options import place_of

RULE_ID = "s3pipelines-uploads"
EVENTS = (
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:ObjectRestore:*",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleTransition",
)
_KINDS = ("QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations")
_WITHOUT = "Without notifications, uploads are found by listing."
_UNKNOWN_THERE = ("NotImplemented", "MethodNotAllowed", "501", "405")
# S3 sends a test message before it takes a rule, and believes in a new policy of the queue only
# after some seconds.
_NOT_YET = "Unable to validate"
_PAUSES_S = (1, 2, 4, 8, 15)

_Rule = dict[str, Any]


@dataclass(frozen=True)
class Notified:
    """What a bucket notifies now.

    Attributes:
        bucket: Its name.
        queue_url: The queue that it notifies.
        queue_arn: The same as an ARN.
        prefixes: The prefixes of which it does so; the empty one is the whole bucket.
        changes: What was not so before, in words; empty if everything was.
    """

    bucket: str
    queue_url: str
    queue_arn: str
    prefixes: tuple[str, ...]
    changes: tuple[str, ...]


def notify_queue(
    access: Access,
    bucket: str,
    prefixes: Iterable[str] = ("",),
    queue: str = DEFAULT_QUEUE,
    *,
    pause: Callable[[float], object] = time.sleep,
) -> Notified:
    """Have a bucket notify a queue of everything below some prefixes, besides what it does so far.

    Args:
        access: How to reach the bucket; the queue is reached with the same identity.
        bucket: Its name.
        prefixes: Of the keys; an empty one, or none at all, is the whole bucket.
        queue: The name of a queue in the bucket's region, made if it is not there; or a URL.
        pause: Waits for so many seconds.

    Raises:
        InvalidInput: A prefix or the queue's name cannot be one.
        NoSuchQueue: There is no queue at that URL.
        StorageError: The bucket or the queue cannot be asked or changed, or the server refuses.
    """
    wanted = [_checked(prefix) for prefix in prefixes] or [""]
    session = botocore_session(access)
    client = client_of(session, access)
    endpoint = client.meta.endpoint_url
    _, region = place_of(session, client, access, bucket)
    encoded = same_endpoint(endpoint, AWS_ENDPOINT)
    # Before anything is made: a server that knows no notifications says so here.
    before = notifications_of(client, bucket)
    found = find_or_make_queue(access, queue, s3_endpoint=endpoint, region=region)
    changes = [f"made the queue {found.url}"] if found.made else []
    if let_bucket_send(found, bucket):
        changes.append("let S3 send to the queue")
    after = merged(before, found.arn, wanted, encoded=encoded)
    if _own(after) != _own(before):
        _write(client, bucket, after, pause=pause, queue_arn=found.arn)
        _require_written(client, bucket, after)
        changes.append("told the bucket to notify the queue")
    told = tuple(prefix_of(rule, encoded) for rule in _own(after) if rule["QueueArn"] == found.arn)
    return Notified(bucket, found.url, found.arn, told, tuple(changes))


def merged(
    before: dict[str, Any], queue_arn: str, prefixes: Iterable[str], *, encoded: bool
) -> dict[str, Any]:
    """A bucket's configuration that notifies the queue of `prefixes`, too.

    Rules of ours for the same queue are kept where they are not a part of a new one: each source
    of a bucket may be configured by itself. S3 takes no two rules of which one is a part of the
    other.

    Args:
        before: The configuration as it is.
        queue_arn: The queue.
        prefixes: Of the keys.
        encoded: The server wants prefixes URL-encoded.
    """
    own = _own(before)
    wanted = set(prefixes)
    # An Id says for which prefix a rule was made, however the server writes that prefix.
    by_id = {_rule(queue_arn, prefix, encoded)["Id"]: prefix for prefix in wanted}
    kept = {
        by_id.get(rule["Id"], prefix_of(rule, encoded))
        for rule in own
        if rule["QueueArn"] == queue_arn
    }
    elsewhere = [
        rule
        for rule in own
        if rule["QueueArn"] != queue_arn and not prefix_of(rule, encoded).startswith(tuple(wanted))
    ]
    every = wanted | kept
    rules = [
        _rule(queue_arn, prefix, encoded)
        for prefix in sorted(every)
        if not any(prefix != other and prefix.startswith(other) for other in every)
    ]
    others = [rule for rule in before.get(_KINDS[0], []) if not is_own(rule)]
    # As they were returned, where they say the same: S3 writes the names of filters in capitals,
    # and events in any order.
    by_content = {_content(rule): rule for rule in own}
    rules = [by_content.get(_content(rule), rule) for rule in rules]
    return {**before, _KINDS[0]: others + elsewhere + rules}


def _rule(queue_arn: str, prefix: str, encoded: bool) -> _Rule:
    if not prefix:
        return {"Id": RULE_ID, "QueueArn": queue_arn, "Events": list(EVENTS)}
    digest = hashlib.sha256(prefix.encode()).hexdigest()[:12]
    # AWS wants prefixes URL-encoded (S3 User Guide, "… using object key name filtering"); others
    # compare them as they are.
    value = quote_plus(prefix, safe="/") if encoded else prefix
    return {
        "Id": f"{RULE_ID}-{digest}",
        "QueueArn": queue_arn,
        "Events": list(EVENTS),
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": value}]}},
    }


def _own(configuration: dict[str, Any]) -> list[_Rule]:
    rules = [rule for rule in configuration.get(_KINDS[0], []) if is_own(rule)]
    return sorted(rules, key=lambda rule: rule["Id"])


def is_own(rule: _Rule) -> bool:
    """Tell whether a rule is one that `notify_queue` made."""
    name = rule.get("Id", "")
    return name == RULE_ID or name.startswith(f"{RULE_ID}-")


def filters_of(rule: _Rule) -> dict[str, str]:
    """The `prefix` and `suffix` that keys must have, as the server writes them."""
    rules = rule.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    # AWS's console writes an empty suffix where there is none.
    return {entry["Name"].lower(): entry["Value"] for entry in rules if entry.get("Value")}


def prefix_of(rule: _Rule, encoded: bool) -> str:
    """The prefix that keys must have, as keys are written."""
    value = filters_of(rule).get("prefix", "")
    return unquote_plus(value) if encoded else value


def _content(rule: _Rule) -> tuple[object, ...]:
    events = frozenset(rule.get("Events", []))
    return rule.get("Id"), rule.get("QueueArn"), events, frozenset(filters_of(rule).items())


def _checked(prefix: str) -> str:
    try:
        prefix.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{prefix!r} cannot be the prefix of a key.", hint="Keys are UTF-8 text."
        ) from error
    return prefix


def notifications_of(client: BaseClient, bucket: str) -> dict[str, Any]:
    """The bucket's configuration as it is.

    Raises:
        StorageError: It cannot be read, or the server has none.
    """
    with s3_errors(bucket):
        try:
            answer = client.get_bucket_notification_configuration(Bucket=bucket)
        except ClientError as error:
            _explain(error, bucket, [])
            raise
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def _write(
    client: BaseClient,
    bucket: str,
    after: dict[str, Any],
    *,
    pause: Callable[[float], object],
    queue_arn: str,
) -> None:
    rules = [rule for kind in _KINDS for rule in after.get(kind, [])]
    others = [rule for rule in rules if not is_own(rule) or rule["QueueArn"] != queue_arn]
    for pause_s in (*_PAUSES_S, None):
        with s3_errors(bucket):
            try:
                client.put_bucket_notification_configuration(
                    Bucket=bucket, NotificationConfiguration=after
                )
                return
            except ClientError as error:
                if pause_s is None or _NOT_YET not in str(error):
                    _explain(error, bucket, others)
                    raise
        pause(pause_s)


def _require_written(client: BaseClient, bucket: str, after: dict[str, Any]) -> None:
    """Some servers take what they do not know, and forget it."""
    there = {(rule["Id"], rule["QueueArn"]) for rule in _own(notifications_of(client, bucket))}
    if not {(rule["Id"], rule["QueueArn"]) for rule in _own(after)} <= there:
        raise StorageError(
            f"The server took the notifications of s3://{bucket}, but does not show them.",
            hint=f"If this goes on, it cannot notify an SQS queue. {_WITHOUT}",
        )


def _explain(error: ClientError, bucket: str, others: list[_Rule]) -> None:
    """Raise what is special about notifications; the rest says what any request would."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", "")).rstrip(".")
    target = f"s3://{bucket}"
    if code in _UNKNOWN_THERE:
        raise StorageError(
            f"The server of {target} cannot notify a queue ({code}).", hint=_WITHOUT
        ) from error
    if "overlap" in message.lower() or "ambiguously" in message.lower():
        names = ", ".join(repr(rule.get("Id", "")) for rule in others) or "unknown"
        raise StorageError(
            f"A notification rule of {target} overlaps with ours; the others are {names}.",
            hint="Choose another --prefix, or remove that rule, or have what it notifies (an SNS "
            "topic, say) notify the queue, too.",
        ) from error
    if _NOT_YET in message:
        raise StorageError(
            f"S3 cannot send to the queue ({message}).",
            hint="Bucket and queue must have one owner, and the key of an encrypted queue must "
            "let s3.amazonaws.com use it. Then run this again.",
        ) from error
    if code in ("InvalidArgument", "MalformedXML", "InvalidRequest"):
        raise StorageError(
            f"The server refuses the notifications of {target} ({code}: {message}).",
            hint="The queue must be a standard SQS queue in the region of the bucket. " + _WITHOUT,
        ) from error
