"""A folder of a bucket as a mailbox: each `.json` file in it is a message."""

import re
import time
from collections.abc import Sequence
from contextlib import closing

from botocore.client import BaseClient

from s3pipelines.core.errors import Gone
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.listing.serial import list_pages
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.mailboxes import THREADS, Depth, Message, in_threads

_SUFFIX = ".json"
# As much as SQS takes for a message (1 MiB since August 2025). What is longer is cut, so that it
# is no JSON any more, and ends as a message that cannot be understood.
_MAX_BODY_BYTES = 1 << 20
# S3's own limit for one DeleteObjects.
_BATCH = 1000
# What XML 1.0 cannot hold: one such key would have S3 refuse the whole DeleteObjects.
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def open_inbox(access: Access, location: S3Location) -> "Inbox":
    """The inbox at `location`; whether it is there, its use will tell.

    Raises:
        BadCredentials: The profile does not exist, or its credentials cannot be had.
        StorageError: The AWS configuration of this machine cannot be used.
    """
    return Inbox(s3_client(access, connections=THREADS), access, location)


class Inbox:
    """See `Mailbox`; a message hides from nobody while it is worked on."""

    def __init__(self, client: BaseClient, access: Access, location: S3Location) -> None:
        self._client = client
        self._access = access
        self._location = location
        self.name = location.uri

    def receive(self, most: int, deadline: float) -> list[Message]:
        """See `Mailbox.receive`; the first ones by key."""
        keys: list[str] = []
        for page in list_pages(self._access, self._location):
            keys += _messages_of(page.objects.column("key").to_pylist())
            if len(keys) >= most or time.monotonic() >= deadline:
                break
        read, errors = in_threads(lambda key: self._read(key, deadline), keys[:most])
        messages = [message for message in read if message is not None]
        if errors and not messages:
            raise errors[0]
        return messages

    def delete(self, messages: Sequence[Message]) -> int:
        """See `Mailbox.delete`."""
        keys = [message.receipt for message in messages]
        plain = [key for key in keys if not _NOT_IN_XML.search(key)]
        batches = [plain[at : at + _BATCH] for at in range(0, len(plain), _BATCH)]
        batches += [[key] for key in keys if _NOT_IN_XML.search(key)]
        failed, errors = in_threads(self._delete_batch, batches)
        if errors:
            raise errors[0]
        return sum(failed)

    def depth(self) -> Depth:
        """See `Mailbox.depth`; lists the whole folder."""
        pages = list_pages(self._access, self._location)
        keys = (page.objects.column("key").to_pylist() for page in pages)
        return Depth(sum(len(_messages_of(some)) for some in keys), 0, 0)

    def _read(self, key: str, deadline: float) -> Message | None:
        """None if the file vanished meanwhile, or there is no time for it."""
        if time.monotonic() >= deadline:
            return None
        bucket = self._location.bucket
        try:
            with s3_errors(bucket, key):
                answer = self._client.get_object(Bucket=bucket, Key=key)
                with closing(answer["Body"]) as stream:
                    body = stream.read(_MAX_BODY_BYTES)
        except Gone:
            return None
        return Message(f"{bucket}/{key}", body.decode(errors="replace"), key)

    def _delete_batch(self, keys: Sequence[str]) -> int:
        bucket = self._location.bucket
        with s3_errors(bucket, keys[0] if len(keys) == 1 else ""):
            if len(keys) == 1:
                self._client.delete_object(Bucket=bucket, Key=keys[0])
                return 0
            objects = [{"Key": key} for key in keys]
            answer = self._client.delete_objects(
                Bucket=bucket, Delete={"Objects": objects, "Quiet": True}
            )
        return len(answer.get("Errors", []))


def _messages_of(keys: Sequence[str]) -> list[str]:
    return [key for key in keys if key.endswith(_SUFFIX)]
