"""An SQS queue as a mailbox."""

import itertools
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from botocore.client import BaseClient

from s3pipelines.core.errors import InvalidInput, StorageError
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import botocore_session, client_of
from s3pipelines.core.storage.failures import queue_errors
from s3pipelines.core.storage.mailboxes import THREADS, Depth, Message, in_threads

# SQS's own limit for one request.
_BATCH = 10
# Long enough to look at the objects and write the rows; whoever is killed before that leaves the
# messages to the next one after this time.
VISIBILITY_S = 120
_FIRST_WAIT_S = 1
# SQS answers a request that does not wait within milliseconds. A message whose answer was lost
# comes again, so that a request may be given up early.
_READ_TIMEOUT_S = 10
_ATTEMPTS = 3
# sqs.REGION.amazonaws.com, the same with .cn, behind a private link, by IPv6; and the oldest form.
_AWS_HOSTS = (
    re.compile(r"(?:.+\.)?sqs(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?"),
    re.compile(r"sqs(?:-fips)?\.([a-z0-9-]+)\.api\.aws"),
    re.compile(r"([a-z0-9-]+)\.queue\.amazonaws\.com(?:\.cn)?"),
)


def open_queue(access: Access, url: str) -> "Queue":
    """The queue at `url`, with the identity of `access`; whether it is there, its use will tell.

    Raises:
        InvalidInput: `url` is not the URL of a queue.
        BadCredentials: The profile does not exist, or its credentials cannot be had.
        StorageError: The AWS configuration of this machine cannot be used.
    """
    return Queue(queue_client(access, url), url)


def queue_client(access: Access, url: str) -> BaseClient:
    """A client that talks to the server that the URL of a queue names, whatever S3 is used.

    Raises:
        InvalidInput: `url` is not the URL of a queue.
        StorageError: See `open_queue`.
    """
    endpoint, region = _address(url)
    there = replace(
        access,
        endpoint_url=endpoint,
        region=region or access.region,
        max_attempts=min(access.max_attempts, _ATTEMPTS),
        # What the catalog says of the certificate of its own server does not concern AWS.
        verify=None if region else access.verify,
    )
    return sqs_client(there)


def sqs_client(access: Access) -> BaseClient:
    """A client of the SQS at the endpoint of `access`.

    Raises:
        StorageError: See `open_queue`.
    """
    return client_of(
        botocore_session(access),
        access,
        connections=THREADS,
        read_timeout_s=_READ_TIMEOUT_S,
        service="sqs",
    )


def _address(url: str) -> tuple[str, str | None]:
    """The endpoint of a queue, and its region where AWS's name of the host tells it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts = host = port = None
    if (
        parts is None
        or not host
        or port == 0
        or parts.scheme not in ("http", "https")
        or not parts.path.strip("/")
        or "@" in parts.netloc
        or not url.isprintable()
        or " " in url
    ):
        raise InvalidInput(
            f"{url!r} is not the URL of an SQS queue.",
            hint="Write it as https://sqs.REGION.amazonaws.com/ACCOUNT/NAME.",
        )
    on_aws = next(filter(None, (pattern.fullmatch(host) for pattern in _AWS_HOSTS)), None)
    return f"{parts.scheme}://{parts.netloc}", on_aws.group(1) if on_aws else None


class Queue:
    """See `Mailbox`; a standard queue, whose messages may come twice and in any order."""

    def __init__(self, client: BaseClient, url: str) -> None:
        self._client = client
        self.name = url

    def receive(self, most: int, deadline: float) -> list[Message]:
        """See `Mailbox.receive`."""
        # One request finds an empty queue to be so: a tick every ten seconds is a quarter of a
        # million a month. Waiting makes SQS ask all of its servers.
        if most < 1 or time.monotonic() >= deadline:
            return []
        messages = self._receive_batch(min(most, _BATCH), wait_s=_FIRST_WAIT_S)
        if not messages or len(messages) == most:
            return messages
        left = most - len(messages)
        wanted = _Wanted(left)
        received, errors = in_threads(
            lambda _: self._received_by_one(wanted, deadline),
            list(range(min(THREADS, -(-left // _BATCH)))),
        )
        messages += itertools.chain.from_iterable(received)
        if errors and not messages:
            raise errors[0]
        return messages

    def delete(self, messages: Sequence[Message]) -> int:
        """See `Mailbox.delete`."""
        batches = [messages[at : at + _BATCH] for at in range(0, len(messages), _BATCH)]
        failed, errors = in_threads(self._delete_batch, batches)
        if errors:
            raise errors[0]
        return sum(failed)

    def depth(self) -> Depth:
        """See `Mailbox.depth`."""
        names = ("", "NotVisible", "Delayed")
        attributes = [f"ApproximateNumberOfMessages{name}" for name in names]
        with queue_errors(self.name):
            answer = self._client.get_queue_attributes(
                QueueUrl=self.name, AttributeNames=attributes
            )
        told = answer.get("Attributes", {})
        return Depth(*(int(told.get(attribute, 0)) for attribute in attributes))

    def _received_by_one(self, wanted: "_Wanted", deadline: float) -> list[Message]:
        messages: list[Message] = []
        while time.monotonic() < deadline and (asked := wanted.take(_BATCH)):
            try:
                batch = self._receive_batch(asked)
            except StorageError:
                if not messages:
                    raise
                break  # Those at hand would stay hidden from everybody until their time is over.
            wanted.give_back(asked - len(batch))
            messages += batch
            if not batch:
                break
        return messages

    def _receive_batch(self, most: int, *, wait_s: int = 0) -> list[Message]:
        with queue_errors(self.name):
            # Not waiting asks only some of SQS's servers; several threads that ask anew reach the
            # others, and the next tick of the sensor asks again.
            answer = self._client.receive_message(
                QueueUrl=self.name,
                MaxNumberOfMessages=most,
                VisibilityTimeout=VISIBILITY_S,
                WaitTimeSeconds=wait_s,
            )
        return [
            Message(message["MessageId"], message.get("Body", ""), message["ReceiptHandle"])
            for message in answer.get("Messages", [])
        ]

    def _delete_batch(self, messages: Sequence[Message]) -> int:
        entries = [
            {"Id": str(number), "ReceiptHandle": message.receipt}
            for number, message in enumerate(messages)
        ]
        with queue_errors(self.name):
            answer = self._client.delete_message_batch(QueueUrl=self.name, Entries=entries)
        return len(answer.get("Failed", []))


class _Wanted:
    """How many messages are still wanted, shared by the threads that ask for them."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._lock = threading.Lock()

    def take(self, most: int) -> int:
        """Reserve up to `most`."""
        with self._lock:
            taken = min(most, self._left)
            self._left -= taken
            return taken

    def give_back(self, number: int) -> None:
        """Return what was reserved and not used."""
        with self._lock:
            self._left += number
