"""Making a bucket with safe settings; to be repeated when it was interrupted."""

from dataclasses import dataclass
from typing import Any

from s3pipelines.core.buckets.bucket_file import wanted_of
from s3pipelines.core.buckets.configuring import Applied, apply_differences, compare
from s3pipelines.core.buckets.contents import is_empty
from s3pipelines.core.buckets.names import check_new_name
from s3pipelines.core.errors import (
    AccessDenied,
    AlreadyExists,
    NoSuchBucket,
    StorageError,
    WrongRegion,
)
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.bucket_admin import (
    is_own,
    make_bucket,
    name_is_taken,
    region_of_bucket,
)
from s3pipelines.core.storage.bucket_settings import BucketSettings
from s3pipelines.core.storage.clients import endpoint_of
from s3pipelines.core.storage.unfinished import Uploads

_DENIES_ALL = (
    "This server denies every write to a bucket that blocks public ACLs. Set public_access_block: "
    "{block_public_acls: false} with 'buckets configure', or make it with --allow-public-access."
)


@dataclass(frozen=True)
class NewBucket:
    """What is asked for.

    Attributes:
        name: Its name.
        region: Where it is to lie; None: in the region that is configured.
        versioning: Whether it keeps versions.
        algorithm: How S3 encrypts it: `AES256`, `aws:kms` or `aws:kms:dsse`; None: as the server
            does by itself.
        kms_key: The key, for KMS.
        block_public_access: Nothing in it can be made public.
        tags: Names and values.
    """

    name: str
    region: str | None = None
    versioning: bool = False
    algorithm: str | None = None
    kms_key: str | None = None
    block_public_access: bool = True
    tags: dict[str, str] | None = None

    def settings(self) -> dict[str, Any]:
        """The same as a bucket file says it."""
        said: dict[str, Any] = {}
        if self.versioning:
            said["versioning"] = "enabled"
        if self.algorithm or self.kms_key:
            algorithm = self.algorithm or "aws:kms"
            # Without a bucket key, each object is a request to KMS, which costs money.
            said["encryption"] = {"algorithm": algorithm, "bucket_key": algorithm == "aws:kms"}
            if self.kms_key:
                said["encryption"]["kms_key"] = self.kms_key
        if self.block_public_access:
            said["public_access_block"] = {}
        if self.tags:
            said["tags"] = self.tags
        return said


@dataclass(frozen=True)
class Created:
    """What came of it.

    Attributes:
        made: It was not there before.
        region: Where it lies, if the server says so.
        applied: What became of each setting that was not as asked for.
    """

    bucket: str
    made: bool
    region: str | None
    applied: tuple[Applied, ...]

    @property
    def failed(self) -> list[Applied]:
        """The settings that are not as they were asked for."""
        return [applied for applied in self.applied if applied.outcome == "failed"]


def create_bucket(access: Access, new: NewBucket) -> Created:
    """Make a bucket, and set what was asked for.

    Run again, it changes nothing. An empty bucket of this account is taken for one that was being
    made when the process was killed: its settings are completed. One with objects is left alone.

    Raises:
        AlreadyExists: The name is taken, or the bucket is in use and has other settings.
        InvalidInput: S3 refuses the name or a setting.
        StorageError: It cannot be made.
    """
    check_new_name(new.name)
    wanted = wanted_of(new.settings(), "The new bucket")
    region, made = _found(access, new), False
    if region is None:
        region, made = make_bucket(access, new.name, new.region), True
    settings = BucketSettings(access, new.name)
    comparison = compare(settings, wanted)
    if not made and comparison.differences and not is_empty(access, new.name):
        names = ", ".join(difference.name for difference in comparison.differences)
        raise AlreadyExists(
            f"You have a bucket {new.name!r} already, in use and with other settings ({names}).",
            hint="Change them with 's3pipelines buckets configure --file', or choose another name.",
        )
    # AWS minds the difference between a public ACL and any write.
    is_tried = made and new.block_public_access and endpoint_of(access) is not None
    may_send = is_tried and _may_send(access, new.name)
    applied = list(apply_differences(settings, comparison))
    if may_send and not _may_send(access, new.name):
        applied.append(Applied("public_access_block", "failed", _DENIES_ALL))
    applied += [Applied(state.name, "failed", state.problem) for state in comparison.in_doubt]
    return Created(new.name, made, region or None, tuple(applied))


def _may_send(access: Access, bucket: str) -> bool:
    try:
        return Uploads(access, bucket).may_send(".s3pipelines-probe")
    except StorageError:
        return True  # It is not denied; whatever else is wrong shows when somebody writes.


def _found(access: Access, new: NewBucket) -> str | None:
    """The region of a bucket of ours with that name; empty if it is not known, None if none."""
    try:
        region = region_of_bucket(access, new.name) or ""
    except NoSuchBucket:
        return None
    except AccessDenied:
        raise name_is_taken(new.name) from None
    except WrongRegion as error:
        raise AlreadyExists(
            f"The name {new.name!r} is taken by a bucket in another region.",
            hint="Choose another name, or ask for it there: set AWS_REGION.",
        ) from error
    if not _is_surely_own(access, new.name):
        raise name_is_taken(new.name)
    if new.region and region and region != new.region:
        raise AlreadyExists(
            f"You have a bucket {new.name!r} already, in {region}.",
            hint="A bucket cannot move: choose another name.",
        )
    return region


def _is_surely_own(access: Access, bucket: str) -> bool:
    """Whoever may not list the buckets may still have made this one."""
    try:
        return is_own(access, bucket)
    except StorageError:
        return True
