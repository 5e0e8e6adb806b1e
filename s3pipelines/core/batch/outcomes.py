"""From what S3 says of one object to its outcome; what concerns all objects is raised instead."""

from s3pipelines.core.batch.rows import Outcome, Row
from s3pipelines.core.errors import (
    AccessDenied,
    Archived,
    BadCredentials,
    Gone,
    NoSuchBucket,
    PreconditionFailed,
    StorageError,
    Throttled,
    Unreachable,
    WrongRegion,
)

# No other object would fare better.
OF_ALL_OBJECTS = (BadCredentials, NoSuchBucket, WrongRegion)
_WORDS: tuple[tuple[type[StorageError], str], ...] = (
    (PreconditionFailed, "changed"),
    (Gone, "gone"),
    (Archived, "archived"),
    (AccessDenied, "denied"),
    (Throttled, "throttled"),
    (Unreachable, "unreachable"),
)


def skipped(row: Row) -> Outcome:
    """A row whose plan says that it is not to be carried out."""
    return Outcome(row, "skipped", row.verdict, "The plan leaves it out.")


def failed(row: Row, error: StorageError) -> Outcome:
    """A row about which S3 said no.

    Raises:
        StorageError: The same, if it holds for all objects.
    """
    if isinstance(error, OF_ALL_OBJECTS):
        raise error
    word = next((word for kind, word in _WORDS if isinstance(error, kind)), "refused")
    return Outcome(row, "failed", word, str(error))


def not_as_planned(row: Row, word: str, detail: str) -> Outcome:
    """A row whose object, or target, is not what the plan was made for."""
    return Outcome(row, "failed", word, detail)
