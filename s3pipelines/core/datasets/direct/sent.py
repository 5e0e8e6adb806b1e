"""What became of a file that was sent by a ticket, and the proof that S3 has what was sent."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from s3pipelines.core.datasets.fingerprints import changed, unreadable
from s3pipelines.core.datasets.local_files import LocalFile
from s3pipelines.core.datasets.proofs import Known
from s3pipelines.core.errors import S3PipelinesError


@dataclass(frozen=True)
class DirectUpload:
    """One file, and what became of it.

    Attributes:
        uri: Where it went.
        outcome: `unchanged`: it was there already, sent by this ticket before.
        sent_bytes: How much was sent this time.
        etag: Of the object; None if the server did not tell.
        error: Why it failed, in one word.
        detail: The same in a sentence.
    """

    path: str
    uri: str
    size_bytes: int
    outcome: Literal["uploaded", "unchanged", "failed"]
    sent_bytes: int = 0
    etag: str | None = None
    error: str | None = None
    detail: str | None = None


def disagrees(etag: str, headers: Mapping[str, str], md5: str, size_bytes: int) -> bool:
    """Whether an ETag tells of other bytes; with KMS, and of parts, it tells of none."""
    return Known(size_bytes, etag, headers).has_md5 and etag != md5


def etag_of_parts(md5s: list[str]) -> str:
    """The ETag of an object that was made of parts with these MD5s."""
    joined = hashlib.md5(b"".join(map(bytes.fromhex, md5s)), usedforsecurity=False).hexdigest()
    return f"{joined}-{len(md5s)}"


def as_it_is(path: Path, key: str) -> LocalFile:
    """A file with its size and time of this moment.

    Raises:
        StorageError: It cannot be read.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    return LocalFile(path, key, found.st_size, found.st_mtime_ns)


def require_unchanged(file: LocalFile) -> None:
    """Make sure that nobody has written the file since it was found.

    Raises:
        StorageError: Somebody has.
    """
    if as_it_is(file.path, file.key) != file:
        raise changed(file.path)


def read_piece(file: LocalFile, offset: int, length: int) -> bytes:
    """A piece of a file.

    Raises:
        StorageError: It cannot be read, or is shorter by now.
    """
    try:
        with file.path.open("rb", buffering=0) as opened:
            opened.seek(offset)
            pieces = []
            while length and (piece := opened.read(length)):
                pieces.append(piece)
                length -= len(piece)
    except OSError as error:
        raise unreadable(file.path, error) from error
    if length:
        raise changed(file.path)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def failed(file: LocalFile, uri: str, error: S3PipelinesError, word: str) -> DirectUpload:
    """The row of a file that was not sent."""
    path = os.fspath(file.path)
    return DirectUpload(path, uri, file.size_bytes, "failed", error=word, detail=str(error))


def ended(
    file: LocalFile,
    uri: str,
    outcome: Literal["uploaded", "unchanged"],
    etag: str | None,
    sent_bytes: int = 0,
) -> DirectUpload:
    """The row of a file that S3 has."""
    path = os.fspath(file.path)
    return DirectUpload(path, uri, file.size_bytes, outcome, sent_bytes, etag or None)
