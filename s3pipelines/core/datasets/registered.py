"""What became of each file that was to be registered."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from s3pipelines.core.datasets.local_files import LocalFile
from s3pipelines.core.errors import AccessDenied, Archived, Gone, PreconditionFailed, StorageError

# `would_…`: of a dry run.
Ended = Literal[
    "uploaded", "replaced", "unchanged", "registered", "would_upload", "would_replace", "failed"
]
CHANGED: frozenset[Ended] = frozenset({"uploaded", "replaced", "registered"})


@dataclass(frozen=True)
class Registered:
    """One file, or one object that was there already, and what became of it.

    Attributes:
        key: Its key; None where it can have none.
        path: The local file; None of an object that was there already.
        outcome: What became of it.
        etag: ETag that the object has now.
        sha256: Of the whole file, in hexadecimal; None if it was not read.
        checksum: What S3 keeps itself of its SHA-256, in base64; None if nothing.
        tags: Tags that the object is known to have now; None if they were not looked at.
        error: Why it failed, in one word.
        detail: The same in a sentence.
    """

    key: str | None
    path: str | None
    size_bytes: int
    outcome: Ended
    etag: str | None = None
    version_id: str | None = None
    sha256: str | None = None
    checksum: str | None = None
    tags: dict[str, str] | None = None
    error: str | None = None
    detail: str | None = None


@dataclass
class Registration:
    """What became of all of them.

    Attributes:
        files: In the order in which they ended.
    """

    source_id: str
    files: list[Registered] = field(default_factory=list)

    @property
    def failed(self) -> list[Registered]:
        """Those that failed."""
        return [one for one in self.files if one.outcome == "failed"]

    @property
    def counts(self) -> dict[str, int]:
        """How many ended how; without what is none."""
        return how_many(self.files)


def how_many(files: Iterable[Registered]) -> dict[str, int]:
    """How many ended how; without what is none."""
    counts: dict[str, int] = {}
    for one in files:
        counts[one.outcome] = counts.get(one.outcome, 0) + 1
    return dict(sorted(counts.items()))


def failed_row(file: LocalFile, error: StorageError) -> Registered:
    """The row of a file that was not sent."""
    path, size = str(file.path), file.size_bytes
    return Registered(file.key, path, size, "failed", error=word_of(error), detail=str(error))


_WORDS: tuple[tuple[type[StorageError], str], ...] = (
    (AccessDenied, "access_denied"),
    (Archived, "archived"),
    (Gone, "gone"),
    (PreconditionFailed, "changed"),
)


def word_of(error: StorageError) -> str:
    """An error in one word, for rows."""
    return next((word for kind, word in _WORDS if isinstance(error, kind)), "storage")
