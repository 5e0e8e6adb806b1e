"""What actions are told in the same words."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from s3pipelines.core.batch.actions.action import Params
from s3pipelines.core.batch.changes import Changes, KeptEncryption
from s3pipelines.core.batch.existing import OnExisting
from s3pipelines.core.batch.mapping import KeyMapping
from s3pipelines.core.storage.locations import parse_s3_location

BREAK_VERSIONS: Any = Field(
    False, description="Also take away objects that are members of versions of a source."
)


class StorageClass(StrEnum):
    """The storage classes of S3."""

    STANDARD = "STANDARD"
    STANDARD_IA = "STANDARD_IA"
    ONEZONE_IA = "ONEZONE_IA"
    INTELLIGENT_TIERING = "INTELLIGENT_TIERING"
    GLACIER_IR = "GLACIER_IR"
    GLACIER = "GLACIER"
    DEEP_ARCHIVE = "DEEP_ARCHIVE"


def lowered(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata as S3 keeps it: the names in lower case."""
    return {name.lower(): value for name, value in metadata.items()}


def refuse_odd_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Make sure that metadata can stand in the headers of a request.

    Raises:
        ValueError: S3 would mangle it, or refuse it.
    """
    for name, value in metadata.items():
        if not (f"{name}{value}".isascii() and f"{name}{value}".isprintable()) or " " in name:
            raise ValueError(
                f"the metadata {name!r} holds other characters than printable ones of ASCII"
            )
    return metadata


Metadata = Annotated[dict[str, str], AfterValidator(refuse_odd_metadata)]


class CopyParams(Params):
    """Where objects are copied to, and what their copies have otherwise."""

    to: str = Field(description="s3://BUCKET/PREFIX that they go to.")
    template: str = Field(
        "{key}",
        description="Their keys below it: {key}, {parent}, {name}, {stem}, {ext}, {date:%Y}, "
        "{tag:NAME}.",
    )
    match: str | None = Field(
        None, description="In place of a template: a regular expression (RE2) to replace."
    )
    replace: str | None = Field(
        None, description="What its first match becomes; \\1 is its first group."
    )
    on_existing: OnExisting = Field(
        OnExisting.fail, description="What is done where the target exists already."
    )
    storage_class: StorageClass | None = Field(
        None, description="Storage class of the copies; that of the originals by default."
    )
    encryption: KeptEncryption = Field(
        KeptEncryption.bucket,
        description="How the copies are encrypted: as the bucket says, as the originals are "
        "(a request more each), with S3's own key, or with one of KMS.",
    )
    kms_key_id: str | None = Field(None, description="The key of KMS.")
    content_type: str | None = Field(None, description="Content type of the copies.")
    metadata: Metadata = Field({}, description="Metadata that the copies get, too.")
    tags: dict[str, str] | None = Field(
        None, description="Tags of the copies, in place of those of the originals."
    )

    break_versions: bool = BREAK_VERSIONS

    @model_validator(mode="after")
    def _is_whole(self) -> "CopyParams":
        if (self.encryption is KeptEncryption.kms) != bool(self.kms_key_id):
            raise ValueError("a key of KMS goes with the encryption kms, and the other way round")
        return self

    @property
    def mapping(self) -> KeyMapping:
        """Where the objects go."""
        return KeyMapping(parse_s3_location(self.to), self.template, self.match, self.replace)

    @property
    def changes(self) -> Changes:
        """What the copies have otherwise."""
        return Changes(
            storage_class=self.storage_class.value if self.storage_class else None,
            content={"content-type": self.content_type} if self.content_type else {},
            metadata=lowered(self.metadata),
            tags=self.tags,
            encryption=self.encryption,
            kms_key_id=self.kms_key_id,
        )
