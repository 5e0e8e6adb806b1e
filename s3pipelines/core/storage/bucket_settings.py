"""The settings of a bucket as S3 has them: read, written and taken away, one verb for each.

Values are those of boto3. What they mean to people is told in `core/buckets/settings`.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.failures import s3_errors

Raw = dict[str, Any]
# What a server says that has no such setting at all; MinIO says the last two.
_UNKNOWN_THERE = ("NotImplemented", "MethodNotAllowed", "501", "405", "XNotImplemented")
# S3 sends a test message before it takes a notification, and believes in a new policy of the queue
# only after some seconds; a bucket that was just made answers OperationAborted for a while.
_NOT_YET = ("Unable to validate", "OperationAborted")
_PAUSES_S = (1, 2, 4, 8, 15)


class UnknownToServer(StorageError):
    """The server has no such setting."""


@dataclass(frozen=True)
class Verbs:
    """How one setting is asked for and changed.

    Attributes:
        name: What the project calls it.
        read: boto3's method that reads it.
        permission: What IAM must allow for that.
        member: The part of the answer that is the setting; None: all of it.
        absent: The error code that says that it is not set.
        write: boto3's method that writes it; None: it is only shown.
        argument: The argument of `write` that is the setting.
        delete: boto3's method that takes it away; None: an empty value does.
    """

    name: str
    read: str
    permission: str
    member: str | None = None
    absent: str = ""
    write: str | None = None
    argument: str = ""
    delete: str | None = None


_ALL = (
    Verbs(
        "versioning",
        "get_bucket_versioning",
        "s3:GetBucketVersioning",
        write="put_bucket_versioning",
        argument="VersioningConfiguration",
    ),
    Verbs(
        "encryption",
        "get_bucket_encryption",
        "s3:GetEncryptionConfiguration",
        "ServerSideEncryptionConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        "put_bucket_encryption",
        "ServerSideEncryptionConfiguration",
        "delete_bucket_encryption",
    ),
    Verbs(
        "public_access_block",
        "get_public_access_block",
        "s3:GetBucketPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "put_public_access_block",
        "PublicAccessBlockConfiguration",
        "delete_public_access_block",
    ),
    Verbs(
        "tags",
        "get_bucket_tagging",
        "s3:GetBucketTagging",
        absent="NoSuchTagSet",
        write="put_bucket_tagging",
        argument="Tagging",
        delete="delete_bucket_tagging",
    ),
    Verbs(
        "lifecycle",
        "get_bucket_lifecycle_configuration",
        "s3:GetLifecycleConfiguration",
        absent="NoSuchLifecycleConfiguration",
        write="put_bucket_lifecycle_configuration",
        argument="LifecycleConfiguration",
        delete="delete_bucket_lifecycle",
    ),
    Verbs(
        "cors",
        "get_bucket_cors",
        "s3:GetBucketCORS",
        absent="NoSuchCORSConfiguration",
        write="put_bucket_cors",
        argument="CORSConfiguration",
        delete="delete_bucket_cors",
    ),
    Verbs(
        "policy",
        "get_bucket_policy",
        "s3:GetBucketPolicy",
        absent="NoSuchBucketPolicy",
        write="put_bucket_policy",
        argument="Policy",
        delete="delete_bucket_policy",
    ),
    Verbs(
        "notifications",
        "get_bucket_notification_configuration",
        "s3:GetBucketNotification",
        write="put_bucket_notification_configuration",
        argument="NotificationConfiguration",
    ),
    Verbs(
        "object_lock",
        "get_object_lock_configuration",
        "s3:GetBucketObjectLockConfiguration",
        "ObjectLockConfiguration",
        "ObjectLockConfigurationNotFoundError",
    ),
    Verbs(
        "ownership",
        "get_bucket_ownership_controls",
        "s3:GetBucketOwnershipControls",
        "OwnershipControls",
        "OwnershipControlsNotFoundError",
    ),
)
# In the order in which they are shown and written: no policy is refused because of a block of
# public access that the same file takes away.
VERBS: Mapping[str, Verbs] = {verbs.name: verbs for verbs in _ALL}


class BucketSettings:
    """Reads and writes the settings of one bucket; may be shared by threads.

    Args:
        access: How to reach the bucket.
        bucket: Its name.
        pause: Waits for so many seconds, where S3 needs some time before it takes a setting.
    """

    def __init__(
        self, access: Access, bucket: str, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self.bucket = bucket
        self._client = s3_client(access)
        self._pause = pause

    def read(self, name: str) -> Raw | None:
        """One setting as boto3 has it; None where it is not set.

        Raises:
            AccessDenied: It may not be read; see `Verbs.permission`.
            UnknownToServer: The server has no such setting.
            NoSuchBucket: There is no such bucket.
            StorageError: It cannot be read.
        """
        verbs = VERBS[name]
        with s3_errors(self.bucket):
            try:
                answer: Raw = getattr(self._client, verbs.read)(Bucket=self.bucket)
            except ClientError as error:
                if _code(error) == verbs.absent:
                    return None
                _raise_if_unknown(error, self.bucket, name)
                raise
            answer.pop("ResponseMetadata", None)
            if name == "policy":
                return json.loads(answer["Policy"])
        return (answer.get(verbs.member) if verbs.member else answer) or None

    def write(self, name: str, value: Raw | None) -> None:
        """Set one setting, or take it away.

        Args:
            name: Of a setting that has `Verbs.write`.
            value: As boto3 has it; None takes the setting away.

        Raises:
            AccessDenied: It may not be written.
            UnknownToServer: The server has no such setting.
            StorageError: It cannot be written, or the server refuses the value.
        """
        with s3_errors(self.bucket):
            for pause_s in (*_PAUSES_S, None):
                try:
                    _write(self._client, self.bucket, VERBS[name], value)
                    return
                except ClientError as error:
                    _raise_if_unknown(error, self.bucket, name)
                    if pause_s is None or not any(text in str(error) for text in _NOT_YET):
                        raise
                self._pause(pause_s)


def _write(client: BaseClient, bucket: str, verbs: Verbs, value: Raw | None) -> None:
    if value is None and verbs.delete is not None:
        getattr(client, verbs.delete)(Bucket=bucket)
        return
    given: dict[str, Any] = {verbs.argument: value or {}}
    if verbs.name == "policy":
        given = {verbs.argument: json.dumps(value)}
    elif verbs.name == "lifecycle" and value is not None:
        # Read as a part of the answer, written beside it.
        beside = {n: v for n, v in value.items() if n != "Rules"}
        given = {verbs.argument: {"Rules": value["Rules"]}, **beside}
    getattr(client, verbs.write or "")(Bucket=bucket, **given)


def _raise_if_unknown(error: ClientError, bucket: str, name: str) -> None:
    if _code(error) in _UNKNOWN_THERE:
        raise UnknownToServer(
            f"The server of s3://{bucket} has no setting {name!r} ({_code(error)}).",
            hint="Leave it out.",
        ) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
