"""Buckets as a whole: which there are, where one lies, made and removed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from s3pipelines.core.errors import (
    AccessDenied,
    AlreadyExists,
    InvalidInput,
    NoSuchBucket,
    StorageError,
)
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import (
    DEFAULT_REGION,
    botocore_session,
    region_of,
    s3_client,
)
from s3pipelines.core.storage.failures import s3_errors

_REGION_HEADER = "x-amz-bucket-region"


@dataclass(frozen=True)
class OwnBucket:
    """A bucket of this account; the region is None where the server does not say it."""

    name: str
    created_at: datetime
    region: str | None


def list_own_buckets(access: Access) -> Iterator[OwnBucket]:
    """The buckets of the account, by name.

    Raises:
        AccessDenied: They may not be listed (s3:ListAllMyBuckets).
        StorageError: They cannot be listed.
    """
    client = s3_client(access)
    asked: dict[str, Any] = {"MaxBuckets": 1000}  # AWS tells regions only page by page.
    while True:
        try:
            with s3_errors(""):
                answer = client.list_buckets(**asked)
        except AccessDenied as error:
            raise AccessDenied(
                "The buckets of this account may not be listed.",
                hint="Grant s3:ListAllMyBuckets to this identity, or use another one.",
            ) from error
        for entry in answer.get("Buckets", []):
            yield OwnBucket(entry["Name"], entry["CreationDate"], entry.get("BucketRegion"))
        token = answer.get("ContinuationToken")
        if not token:
            return
        asked["ContinuationToken"] = token


def region_of_bucket(access: Access, bucket: str) -> str | None:
    """Where a bucket lies; None where the server does not say.

    Raises:
        NoSuchBucket: There is none of that name.
        AccessDenied: It is there, and may not be asked.
        StorageError: It cannot be asked.
    """
    with s3_errors(bucket):
        answer = s3_client(access).head_bucket(Bucket=bucket)
    return answer["ResponseMetadata"]["HTTPHeaders"].get(_REGION_HEADER)


def region_if_known(access: Access, bucket: str) -> str | None:
    """Where a bucket lies; None where the server does not say, or may not be asked."""
    try:
        return region_of_bucket(access, bucket)
    except StorageError:
        return None


def is_own(access: Access, bucket: str) -> bool:
    """Tell whether a bucket belongs to this account.

    Raises:
        StorageError: The buckets cannot be listed.
    """
    return any(own.name == bucket for own in list_own_buckets(access))


def make_bucket(access: Access, bucket: str, region: str | None = None) -> str:
    """Make a bucket whose objects all belong to its owner, without ACLs.

    Args:
        access: Who makes it, and where.
        bucket: Its name.
        region: Where it is to lie; by default in the region of the access.

    Returns:
        The region.

    Raises:
        AlreadyExists: The name is taken, by this account or by another one.
        InvalidInput: S3 refuses the name or the region.
        StorageError: It cannot be made.
    """
    region = region or region_of(access, botocore_session(access))
    asked: dict[str, Any] = {"Bucket": bucket, "ObjectOwnership": "BucketOwnerEnforced"}
    if region != DEFAULT_REGION:
        asked["CreateBucketConfiguration"] = {"LocationConstraint": region}
    client = s3_client(replace(access, region=region))
    with s3_errors(bucket):
        try:
            client.create_bucket(**asked)
        except ParamValidationError as error:
            raise _bad_name(bucket, str(error)) from error
        except ClientError as error:
            _explain(error, bucket, region)
            raise
    return region


def remove_bucket(access: Access, bucket: str) -> None:
    """Remove an empty bucket; one that is gone already is no error.

    Raises:
        StorageError: It is not empty, or cannot be removed.
    """
    try:
        with s3_errors(bucket):
            try:
                s3_client(access).delete_bucket(Bucket=bucket)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "BucketNotEmpty":
                    raise StorageError(
                        f"s3://{bucket} is not empty: something is still being written to it.",
                        hint="Stop what writes there, and run this again.",
                    ) from error
                raise
    except NoSuchBucket:
        return


def _explain(error: ClientError, bucket: str, region: str) -> None:
    said = error.response.get("Error", {})
    code, message = said.get("Code", ""), said.get("Message", "")
    if code == "BucketAlreadyOwnedByYou":
        raise AlreadyExists(
            f"You have a bucket {bucket!r} already.",
            hint="Change its settings with 's3pipelines buckets configure --file'.",
        ) from error
    if code in ("BucketAlreadyExists", "OperationAborted"):
        raise name_is_taken(bucket) from error
    if code == "InvalidBucketName":
        raise _bad_name(bucket, message) from error
    if code in ("InvalidLocationConstraint", "IllegalLocationConstraintException"):
        raise InvalidInput(
            f"{region!r} is not a region in which this endpoint makes buckets.",
            hint="Name another --region, or set AWS_REGION to it.",
        ) from error
    if code == "TooManyBuckets":
        raise StorageError(
            "The account has as many buckets as it may have.",
            hint="Remove one, or ask AWS for a higher quota.",
        ) from error


def name_is_taken(bucket: str) -> AlreadyExists:
    """The error for a name that another account uses."""
    return AlreadyExists(
        f"The name {bucket!r} is taken by a bucket of another account.",
        hint="Choose another one: names are shared by everybody at this endpoint.",
    )


def _bad_name(bucket: str, why: str) -> InvalidInput:
    reason = " ".join(why.split()).rstrip(".")
    return InvalidInput(
        f"S3 refuses the bucket name {bucket!r} ({reason}).",
        hint="Use 3 to 63 lower-case letters, digits and '-'.",
    )
