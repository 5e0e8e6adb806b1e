"""Single, brief questions to S3, for whoever looks for what is wrong: each gives up within seconds.

What the project does otherwise is patient, as a run had better wait than fail; a person waits here.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from s3pipelines.core.errors import BadCredentials
from s3pipelines.core.storage.access import AWS_ENDPOINT, Access, same_endpoint
from s3pipelines.core.storage.bucket_events import filters_of, notifications_of, prefix_of
from s3pipelines.core.storage.clients import (
    botocore_session,
    endpoint_of,
    region_of,
    s3_client,
)
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.listing.pages import ListingPage, server_time_of
from s3pipelines.core.storage.listing.serial import list_pages
from s3pipelines.core.storage.listing.versions import asking
from s3pipelines.core.storage.locations import S3Location

_READ_TIMEOUT_S = 10
_ATTEMPTS = 2


@dataclass(frozen=True)
class Identity:
    """Who asks, and whom; nothing of it is secret.

    Attributes:
        who: Where the keys come from, in words.
        endpoint: The address of the server, or `AWS` and the region.
    """

    who: str
    endpoint: str


@dataclass(frozen=True)
class Rule:
    """One rule by which a bucket tells of its objects.

    Attributes:
        target: ARN of the queue, topic or function; empty for EventBridge.
        prefix: Of the keys that it is about.
        suffix: The same; empty for all.
        events: Names of events, as S3 writes them.
    """

    target: str
    prefix: str
    suffix: str
    events: frozenset[str]


def brief(access: Access) -> Access:
    """The same access, less patient."""
    return replace(access, max_attempts=min(access.max_attempts, _ATTEMPTS))


def identity_of(access: Access, bucket: str = "") -> Identity:
    """Where the keys of `access` come from; those that renew themselves are fetched.

    Args:
        access: How a bucket is reached.
        bucket: Its name, for errors.

    Raises:
        BadCredentials: There are none, or they have expired or cannot be fetched.
        StorageError: The AWS configuration of this machine cannot be used.
    """
    session = botocore_session(access)
    address = endpoint_of(access)
    endpoint = address or f"AWS, {region_of(access, session)}"
    if access.anonymous:
        return Identity("anonymous", endpoint)
    with s3_errors(bucket):
        credentials = session.get_credentials()
        # The keys themselves stay here.
        usable = credentials is not None and bool(credentials.get_frozen_credentials().access_key)
    if credentials is None or not usable:
        raise BadCredentials(
            "There are no AWS credentials.",
            hint="Set AWS_PROFILE, log in, or register the source with --profile or --anonymous.",
        )
    named = access.profile or session.get_config_variable("profile")
    parts = [f"profile {named!r}"] if named else []
    parts += [f"role {access.role_arn}"] if access.role_arn else []
    return Identity(", ".join([*parts, f"keys from {_origin(access, credentials)}"]), endpoint)


def first_page(access: Access, location: S3Location, *, versions: bool = False) -> ListingPage:
    """The first key below `location`, if there is one; listed by versions where that is asked.

    Raises:
        StorageError: The bucket cannot be listed.
    """
    ask = asking(brief(access), location.bucket, versions=versions)
    return next(list_pages(brief(access), location, page_size=1, ask=ask))


def ask_for(access: Access, bucket: str, key: str) -> None:
    """Ask for an object by HEAD.

    Raises:
        AccessDenied: This identity may not read it.
        StorageError: It cannot be asked for.
    """
    client = _client(access)
    with s3_errors(bucket, key):
        client.head_object(Bucket=bucket, Key=key)


def clock_skew(access: Access, bucket: str) -> timedelta | None:
    """By how much this machine's clock is ahead of the server's; None if the server does not say.

    Asked without a signature: one that is made by a clock that is wrong would be refused.

    Raises:
        StorageError: Nobody answers.
    """
    client = _client(replace(access, anonymous=True, requester_pays=False))
    before = datetime.now(UTC)
    with s3_errors(bucket):
        try:
            answer = client.head_bucket(Bucket=bucket)
        except ClientError as error:  # Most will refuse it, and say when.
            answer = dict(error.response)
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if "date" not in headers:
        return None
    return before + (datetime.now(UTC) - before) / 2 - server_time_of(headers["date"])


def notification_rules(access: Access, bucket: str) -> list[Rule]:
    """What a bucket tells of its objects, and whom.

    Raises:
        StorageError: The server knows no notifications, or this identity may not read them.
    """
    client = _client(access)
    configuration = notifications_of(client, bucket)
    encoded = same_endpoint(client.meta.endpoint_url, AWS_ENDPOINT)
    rules = [
        Rule(
            entry.get(arn, ""),
            prefix_of(entry, encoded),
            filters_of(entry).get("suffix", ""),
            frozenset(entry.get("Events", [])),
        )
        for kind, arn in (("QueueConfigurations", "QueueArn"), ("TopicConfigurations", "TopicArn"))
        for entry in configuration.get(kind, [])
    ]
    if "EventBridgeConfiguration" in configuration:
        rules.append(Rule("", "", "", frozenset({"s3:*"})))
    return rules


def is_queue(arn: str, url: str) -> bool:
    """Whether an ARN names the queue of that URL, by account and name.

    The queue itself may be one that this identity may not ask.
    """
    path = urlsplit(url).path.strip("/").split("/")
    parts = arn.split(":")
    if len(parts) != 6 or parts[2] != "sqs" or parts[5] != path[-1]:
        return False
    return len(path) < 2 or not path[-2].isdigit() or path[-2] == parts[4]


def _client(access: Access) -> BaseClient:
    return s3_client(brief(access), read_timeout_s=_READ_TIMEOUT_S)


def _origin(access: Access, credentials: Any) -> str:
    if access.static_keys is not None:
        return "the program"
    return {"env": "the environment", "iam-role": "the machine (EC2)"}.get(
        credentials.method, str(credentials.method)
    )
