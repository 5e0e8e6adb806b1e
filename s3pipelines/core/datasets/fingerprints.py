"""The digests of a local file, whole and of each part, and whether an object holds the same."""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from s3pipelines.core.datasets.local_files import LocalFile
from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.verbs.checksums import Digest, composite
from s3pipelines.core.storage.verbs.values import Found

# Metadata under which the SHA-256 of the whole object is kept: that of S3 is one of digests where
# an object was uploaded in parts, and some servers keep none.
SHA256_METADATA = "sha256"
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Fingerprint:
    """What a file holds, as it was read once.

    Attributes:
        whole: Of all of it.
        part_bytes: The size of each part but the last.
        parts: Of each part, in their order; one of an empty file.
        state: Of the file, when it was read; () where all of it is in memory.
    """

    size_bytes: int
    whole: Digest
    part_bytes: int
    parts: tuple[Digest, ...]
    state: tuple[int, ...] = ()

    def is_told_by(self, checksum: str) -> bool:
        """Whether a SHA-256 of S3 is one that an object of these bytes may have: whole, or cut so.

        Some servers leave out how many parts there were.
        """
        of_parts = composite(self.parts)
        return checksum in (self.whole.text, of_parts, of_parts.rpartition("-")[0])


def fingerprint(file: LocalFile, part_bytes: int) -> Fingerprint:
    """Read a file once, for the digest of all of it and, side by side, for those of its parts.

    Raises:
        StorageError: It cannot be read, or is being written.
    """
    whole, parts = hashlib.sha256(), list[Digest]()
    before = _state_of(file.path)
    # One digest takes as long as the other; they are computed outside of the interpreter's lock.
    with ThreadPoolExecutor(1) as beside:
        size_bytes = 0
        for chunks in _cut(file.path, part_bytes):
            part = beside.submit(_digest_of, chunks)
            for chunk in chunks:
                whole.update(chunk)
                size_bytes += len(chunk)
            parts.append(part.result())
    if size_bytes != file.size_bytes or _state_of(file.path) != before:
        raise changed(file.path)
    if not parts:
        parts = [Digest(hashlib.sha256().digest())]
    return Fingerprint(size_bytes, Digest(whole.digest()), part_bytes, tuple(parts), before)


def _cut(path: Path, part_bytes: int) -> Iterator[list[bytes]]:
    """The chunks of each part."""
    try:
        with path.open("rb", buffering=0) as opened:
            while True:
                chunks, left = list[bytes](), part_bytes
                while left and (chunk := opened.read(min(_READ_BYTES, left))):
                    chunks.append(chunk)
                    left -= len(chunk)
                if chunks:
                    yield chunks
                if left:
                    return
    except OSError as error:
        raise unreadable(path, error) from error


def _digest_of(chunks: Iterable[bytes]) -> Digest:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return Digest(digest.digest())


def _state_of(path: Path) -> tuple[int, ...]:
    """What changes whenever a file is written, also by whoever sets its time back."""
    try:
        found = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def require_unchanged(file: LocalFile, known: Fingerprint) -> None:
    """Make sure that a file is as it was when its fingerprint was taken.

    Raises:
        StorageError: It is not.
    """
    if _state_of(file.path) != known.state:
        raise changed(file.path)


def read_whole(file: LocalFile) -> tuple[Fingerprint, bytes]:
    """All of a file that fits into memory, and what it holds.

    Raises:
        StorageError: It cannot be read, or is being written.
    """
    try:
        with file.path.open("rb", buffering=0) as opened:
            body = opened.readall()
    except OSError as error:
        raise unreadable(file.path, error) from error
    if len(body) != file.size_bytes:
        raise changed(file.path)
    whole = Digest.of(body)
    return Fingerprint(len(body), whole, max(1, len(body)), (whole,)), body


def read_part(file: LocalFile, offset: int, length: int) -> bytes:
    """A part of a file.

    Raises:
        StorageError: It cannot be read, or is shorter than it was.
    """
    try:
        with file.path.open("rb", buffering=0) as opened:
            opened.seek(offset)
            body = opened.read(length)
            while len(body) < length and (more := opened.read(length - len(body))):
                body += more
    except OSError as error:
        raise unreadable(file.path, error) from error
    if len(body) != length:
        raise changed(file.path)
    return body


def holds_same(file: LocalFile, known: Fingerprint, found: Found) -> bool:
    """Whether an object holds what a file holds, by what S3 tells of it.

    By its checksum, by the SHA-256 that was noted when it was registered, or by an ETag that is an
    MD5. False where nothing of it can be compared.

    Raises:
        StorageError: The file cannot be read.
    """
    if found.size_bytes != known.size_bytes:
        return False
    told = found.checksums.get("sha256")
    if told is not None and known.is_told_by(told):
        return True
    if told is not None and found.checksum_type == "FULL_OBJECT":
        return False
    if found.described.metadata.get(SHA256_METADATA) == known.whole.hex:
        return True
    return is_md5(found.etag) and found.etag == md5_of(file, 0, file.size_bytes).hex()


def is_md5(etag: str) -> bool:
    """It may be the MD5 of the bytes; with KMS it looks like one and is none."""
    return len(etag) == 32 and not set(etag) - set("0123456789abcdef")


def md5_of(file: LocalFile, offset: int, length: int) -> bytes:
    """The MD5 of a part of a file.

    Raises:
        StorageError: It cannot be read.
    """
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with file.path.open("rb", buffering=0) as opened:
            opened.seek(offset)
            while length and (chunk := opened.read(min(_READ_BYTES, length))):
                digest.update(chunk)
                length -= len(chunk)
    except OSError as error:
        raise unreadable(file.path, error) from error
    return digest.digest()


def unreadable(path: Path, error: OSError) -> StorageError:
    """The error for a file that cannot be read."""
    return StorageError(
        f"{path} cannot be read ({error.strerror or error}).", hint="Check its permissions."
    )


def changed(path: Path) -> StorageError:
    """The error for a file that is being written."""
    return StorageError(
        f"{path} was changed while it was read.", hint="Repeat it when the file is complete."
    )
