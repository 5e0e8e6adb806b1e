"""Versioning, encryption, the block of public access, and tags."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from s3pipelines.core.buckets.settings.form import (
    FileModel,
    Inexpressible,
    Raw,
    Setting,
    require_known,
    without_nothing,
)

Versioning = Literal["enabled", "suspended", "unversioned"]
_TagName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
_TagValue = Annotated[str, StringConstraints(max_length=256)]
# What AWS itself puts on a bucket; nobody else may.
_OF_AWS = "aws:"


def _of_nobody_else(tags: dict[str, str]) -> dict[str, str]:
    if theirs := [name for name in tags if name.startswith(_OF_AWS)]:
        raise ValueError(f"AWS keeps tags such as {theirs[0]!r} for itself")
    return tags


Tags = Annotated[dict[_TagName, _TagValue], Field(max_length=50), AfterValidator(_of_nobody_else)]


class Encryption(FileModel):
    """How S3 encrypts what says nothing of it.

    Attributes:
        kms_key: ARN, id or alias of a key of KMS; by default AWS's own.
        bucket_key: Fewer requests to KMS.
        blocked_types: Kinds of encryption that a PUT may not ask for, such as SSE-C.
    """

    algorithm: Literal["AES256", "aws:kms", "aws:kms:dsse"]
    kms_key: str | None = None
    bucket_key: bool = False
    blocked_types: tuple[str, ...] = ()


class PublicAccessBlock(FileModel):
    """What would make objects public is refused, or does nothing."""

    block_public_acls: bool = True
    ignore_public_acls: bool = True
    block_public_policy: bool = True
    restrict_public_buckets: bool = True


def _versioning_from_s3(raw: Raw | None) -> str:
    return str((raw or {}).get("Status") or "unversioned").lower()


def _versioning_to_s3(value: str, _before: Raw | None) -> Raw:
    return {"Status": value.capitalize()}


def _encryption_from_s3(raw: Raw | None) -> dict[str, Any] | None:
    if raw is None:
        return None
    require_known(raw, ("Rules",))
    if len(raw.get("Rules", [])) != 1:
        raise Inexpressible("there is not exactly one rule of encryption")
    [rule] = raw["Rules"]
    require_known(
        rule, ("ApplyServerSideEncryptionByDefault", "BucketKeyEnabled", "BlockedEncryptionTypes")
    )
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    require_known(default, ("SSEAlgorithm", "KMSMasterKeyID"))
    return _encryption(
        Encryption(
            algorithm=default.get("SSEAlgorithm"),
            kms_key=default.get("KMSMasterKeyID"),
            bucket_key=bool(rule.get("BucketKeyEnabled")),
            blocked_types=tuple(rule.get("BlockedEncryptionTypes", {}).get("EncryptionType", ())),
        )
    )


def _encryption(value: Encryption) -> dict[str, Any]:
    return value.plain()


def _encryption_to_s3(value: dict[str, Any], _before: Raw | None) -> Raw:
    default = {"SSEAlgorithm": value["algorithm"], "KMSMasterKeyID": value.get("kms_key")}
    rule: Raw = {"ApplyServerSideEncryptionByDefault": without_nothing(default)}
    if value.get("bucket_key"):
        rule["BucketKeyEnabled"] = True
    if value.get("blocked_types"):
        rule["BlockedEncryptionTypes"] = {"EncryptionType": value["blocked_types"]}
    return {"Rules": [rule]}


_BLOCKS = {
    "block_public_acls": "BlockPublicAcls",
    "ignore_public_acls": "IgnorePublicAcls",
    "block_public_policy": "BlockPublicPolicy",
    "restrict_public_buckets": "RestrictPublicBuckets",
}


def _block_from_s3(raw: Raw | None) -> dict[str, bool] | None:
    if raw is None:
        return None
    require_known(raw, _BLOCKS.values())
    return {name: bool(raw.get(theirs)) for name, theirs in _BLOCKS.items()}


def _block(value: PublicAccessBlock | None) -> dict[str, bool] | None:
    return None if value is None else value.model_dump()


def _block_to_s3(value: dict[str, bool], _before: Raw | None) -> Raw:
    return {theirs: value[name] for name, theirs in _BLOCKS.items()}


def _tags_from_s3(raw: Raw | None) -> dict[str, str] | None:
    tags = {tag["Key"]: tag["Value"] for tag in (raw or {}).get("TagSet", [])}
    return _tags({name: value for name, value in tags.items() if not name.startswith(_OF_AWS)})


def _tags(value: dict[str, str] | None) -> dict[str, str] | None:
    return dict(sorted(value.items())) if value else None


def _tags_to_s3(value: dict[str, str] | None, before: Raw | None) -> Raw | None:
    """Those of AWS stay: S3 refuses a set without them."""
    theirs = [tag for tag in (before or {}).get("TagSet", []) if tag["Key"].startswith(_OF_AWS)]
    ours = [{"Key": name, "Value": text} for name, text in (value or {}).items()]
    return {"TagSet": theirs + ours} if theirs or ours else None


VERSIONING = Setting("versioning", str, _versioning_from_s3, _versioning_to_s3)
ENCRYPTION = Setting("encryption", _encryption, _encryption_from_s3, _encryption_to_s3)
PUBLIC_ACCESS_BLOCK = Setting("public_access_block", _block, _block_from_s3, _block_to_s3)
TAGS = Setting("tags", _tags, _tags_from_s3, _tags_to_s3, keeps_some=True)
