"""The errors that reach people: one line that says what is wrong, and one what to do about it."""

from typing import Any


class S3PipelinesError(Exception):
    """Base of every error that the project raises on purpose.

    Args:
        message: What is wrong, in one sentence.
        hint: What to do about it, in one sentence.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        # Messages hold keys and paths of strangers: a newline or a terminal escape in one of them
        # must not make it look like something else.
        self.message = printable(message)
        self.hint = printable(hint)
        super().__init__(self.message, self.hint)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is pickled with positional arguments only, which would not make it again.
        return _made_again, (type(self), self.message, self.hint)


def printable(text: str) -> str:
    """`text` on one line, with control characters (newlines, terminal escapes) written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _made_again(kind: type[S3PipelinesError], message: str, hint: str) -> S3PipelinesError:
    return kind(message, hint=hint)


class InvalidInput(S3PipelinesError):
    """The request itself is wrong or refused; nothing was changed."""


class NotFound(S3PipelinesError):
    """Something that was named does not exist."""


class AlreadyExists(S3PipelinesError):
    """Something of that name exists already."""


class Busy(S3PipelinesError):
    """Another process works on the same thing right now."""


class Unreadable(S3PipelinesError):
    """Something in the catalog is damaged, or was written by a newer release."""


class StorageError(S3PipelinesError):
    """S3, or the folder that stands in for it, could not do what was asked.

    Attributes:
        retried: The request was repeated, as an answer was lost: what stands in its way may be its
            own work.
    """

    retried = False


class NoSuchBucket(StorageError):
    """The bucket does not exist at this endpoint."""


class NoSuchQueue(StorageError):
    """The queue of upload notifications does not exist."""


class AccessDenied(StorageError):
    """The credentials are known but may not do this."""


class BadCredentials(StorageError):
    """There are no credentials, or the endpoint does not accept them."""


class WrongRegion(StorageError):
    """The bucket lies in another region than the one that was asked."""


class Throttled(StorageError):
    """The endpoint asks to slow down, and retries did not help."""


class Gone(StorageError):
    """The object does not exist (any more)."""


class PreconditionFailed(StorageError):
    """The object changed in the meantime, so the conditional request was refused."""


class Archived(StorageError):
    """The object lies in an archive and was not restored."""


class Unreachable(StorageError):
    """Nothing answers at the endpoint, or it fails on its own side."""
