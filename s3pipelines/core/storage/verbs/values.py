"""What goes into the verbs, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

# Headers of an object that say how its bytes are meant; a copy has to keep them.
CONTENT_HEADERS = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-amz-website-redirect-location",
)


@dataclass(frozen=True)
class Described:
    """What an object says of itself to whoever downloads it.

    Attributes:
        content: `CONTENT_HEADERS` that it has.
        metadata: Its own metadata, without `x-amz-meta-`.
    """

    content: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """As headers of a request."""
        named = {f"x-amz-meta-{name}": value for name, value in self.metadata.items()}
        return {**self.content, **named}


@dataclass(frozen=True)
class Encryption:
    """How an object is encrypted at rest: `AES256`, `aws:kms` or `aws:kms:dsse`, and its key."""

    kind: str
    kms_key_id: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """As headers of a request."""
        key = self.kms_key_id
        by_key = {"x-amz-server-side-encryption-aws-kms-key-id": key} if key else {}
        return {"x-amz-server-side-encryption": self.kind, **by_key}


@dataclass(frozen=True)
class Lock:
    """What keeps a version from being deleted (S3 Object Lock).

    Attributes:
        mode: `GOVERNANCE` or `COMPLIANCE`; None without a retention.
        until: When the retention ends, UTC; None without one.
        legal_hold: It is held for as long as nobody lifts that.
    """

    mode: str | None
    until: datetime | None
    legal_hold: bool


@dataclass(frozen=True)
class DefaultRetention:
    """How long a bucket keeps whatever is written to it.

    Attributes:
        mode: `GOVERNANCE` or `COMPLIANCE`.
        days: A year counts 365 of them.
    """

    mode: str
    days: int


@dataclass(frozen=True)
class Found:
    """An object as a HEAD shows it.

    Attributes:
        etag: Without quotes.
        version_id: None where the bucket has no versions.
        restore: What S3 says of a restore from the archive; None if there is none.
        checksums: By algorithm in lower case (`sha256`, `crc64nvme` …).
        checksum_type: `FULL_OBJECT` or `COMPOSITE`; None if not told.
        tag_count: None if S3 does not say (it may have tags all the same).
        restored_until: When the temporary copy of an archived object expires; None if there is
            none (yet).
        lock: What keeps this version from being deleted, as far as it may be known; None if
            nothing does.
    """

    key: str
    size_bytes: int
    etag: str
    last_modified: datetime
    storage_class: str
    version_id: str | None
    restore: str | None
    described: Described
    encryption: Encryption | None
    checksums: Mapping[str, str]
    checksum_type: str | None
    tag_count: int | None
    server_time: datetime
    restored_until: datetime | None = None
    lock: Lock | None = None


@dataclass(frozen=True)
class Origin:
    """What is copied.

    Attributes:
        etag: It is copied only while it has this one.
    """

    bucket: str
    key: str
    etag: str
    version_id: str | None = None


@dataclass(frozen=True)
class Writing:
    """How a copy is written; what is None is as in the origin, or as the bucket says.

    Attributes:
        storage_class: Its class; `STANDARD` if None.
        described: What it says of itself; as the origin if None.
        tags: Its tags; as the origin if None.
        encryption: As the bucket says if None.
        replaces: ETag of what is at the target and is to be replaced; None if nothing may be there.
        states_condition: The server is told what may be at the target. Some refuse what they do not
            know; whoever does not tell has looked before.
    """

    storage_class: str | None = None
    described: Described | None = None
    tags: Mapping[str, str] | None = None
    encryption: Encryption | None = None
    replaces: str | None = None
    states_condition: bool = True

    @property
    def headers(self) -> dict[str, str]:
        """Its class and encryption."""
        headers = self.encryption.headers if self.encryption else {}
        if self.storage_class is not None:
            headers["x-amz-storage-class"] = self.storage_class
        return headers

    @property
    def condition(self) -> dict[str, str]:
        """The precondition about the target, as a header."""
        if not self.states_condition:
            return {}
        if self.replaces is None:
            return {"if-none-match": "*"}
        return {"if-match": f'"{self.replaces}"'}


@dataclass(frozen=True)
class Copied:
    """What was written.

    Attributes:
        version_id: None where the bucket has no versions.
    """

    etag: str
    version_id: str | None


@dataclass(frozen=True)
class Version:
    """One version of a key, or a delete marker, which has no ETag.

    Attributes:
        is_latest: It is what the key holds.
    """

    version_id: str
    is_delete_marker: bool
    etag: str | None
    size_bytes: int
    is_latest: bool


@dataclass(frozen=True)
class Hashes:
    """What reading an object gave; in hexadecimal."""

    size_bytes: int
    md5: str
    sha256: str
