"""What a copy has otherwise than its original, and what has to be looked up for that."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from s3pipelines.core.storage.verbs.values import Described, Encryption, Found


class KeptEncryption(StrEnum):
    """How a copy is encrypted: as its bucket says, as the original is, or by name."""

    bucket = "bucket"
    keep = "keep"
    s3 = "s3"
    kms = "kms"


@dataclass(frozen=True)
class Changes:
    """What a copy has otherwise; what is not given is as in the original.

    Attributes:
        storage_class: Its class.
        content: Headers such as `content-type`, by lower-case names.
        metadata: Metadata that is set.
        remove: Names of metadata that is taken away.
        described: All of its headers and metadata at once, in place of these three.
        tags: Its tags.
        encryption: How it is encrypted.
        kms_key_id: With which key.
    """

    storage_class: str | None = None
    content: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    remove: frozenset[str] = frozenset()
    described: Described | None = None
    tags: Mapping[str, str] | None = None
    encryption: KeptEncryption = KeptEncryption.bucket
    kms_key_id: str | None = None

    @property
    def asks_original(self) -> bool:
        """The original has to be looked at: S3 replaces all of its metadata or none of it."""
        merges = bool(self.content or self.metadata or self.remove)
        return merges or self.encryption is KeptEncryption.keep

    @property
    def keep_tags_and_description(self) -> bool:
        """The copy says of itself what its original says."""
        merges = bool(self.content or self.metadata or self.remove)
        return not merges and self.described is None and self.tags is None

    def show_in(self, found: Found) -> bool:
        """Whether an object is so already, as far as class, headers and metadata go."""
        if self.storage_class is not None and found.storage_class != self.storage_class:
            return False
        described = self.description(found)
        return described is None or described == found.described

    def description(self, found: Found | None) -> Described | None:
        """What the copy says of itself; None if that is what the original says.

        Args:
            found: The original, if it had to be looked at.
        """
        if self.described is not None or found is None:
            return self.described
        if not (self.content or self.metadata or self.remove):
            return None
        kept = {n: v for n, v in found.described.metadata.items() if n not in self.remove}
        return Described({**found.described.content, **self.content}, {**kept, **self.metadata})

    def encrypted(self, found: Found | None) -> Encryption | None:
        """How the copy is encrypted; None for what its bucket says."""
        if self.encryption is KeptEncryption.keep:
            return found.encryption if found else None
        if self.encryption is KeptEncryption.s3:
            return Encryption("AES256")
        if self.encryption is KeptEncryption.kms:
            return Encryption("aws:kms", self.kms_key_id)
        return None
