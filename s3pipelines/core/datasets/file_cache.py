"""Local copies of objects in a folder of bounded size, shared by all processes of a machine.

A copy is named after its object and ETag, so that it never becomes wrong. Who uses one holds a lock
on it; what is not in use and was used longest ago is removed when there is no room.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from s3pipelines.core.datasets.local_paths import why_no_path
from s3pipelines.core.errors import InvalidInput, StorageError

_PARTS = "parts"
_KEPT = "objects"
# Making room for one copy makes some for the next ones, too.
_FILLED_TO = 0.9


class FileCache:
    """The folder; safe for threads and processes.

    Args:
        folder: It is made if it does not exist.
        most_bytes: What all copies together may have.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self._most = most_bytes

    @contextmanager
    def hold(
        self, identity: str, name: str, size_bytes: int, fetch: Callable[[IO[bytes]], object]
    ) -> Iterator[Path]:
        """The path of a copy, which stays for as long as the block runs.

        Args:
            identity: Names the object and its state, and no other.
            name: What the file is called, as far as that is possible.
            size_bytes: How large it is.
            fetch: Writes its bytes, if there is no copy yet; raises if they are not right.

        Raises:
            InvalidInput: It is larger than all copies may be, or the folder cannot be written.
            StorageError: It cannot be fetched.
        """
        if size_bytes > self._most:
            raise InvalidInput(
                f"{name} is larger ({size_bytes:,} bytes) than the cache may be.",
                hint="Open it instead, or raise S3PIPELINES_CACHE_MB.",
            )
        path = self._path(identity, name)
        with self._errors():
            file = self._locked(path)
            if file is None:
                file = self._fetched(path, size_bytes, fetch)
        try:
            yield path
        finally:
            os.close(file)

    def _path(self, identity: str, name: str) -> Path:
        digest = hashlib.sha256(os.fsencode(identity)).hexdigest()
        last = name.rpartition("/")[2]
        called = last if why_no_path(last) is None else "object"
        return self.folder / _KEPT / digest[:2] / digest / called

    def _locked(self, path: Path) -> int | None:
        """A copy that is there, held against removal; None if there is none (any more)."""
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        fcntl.flock(file, fcntl.LOCK_SH)
        if not os.path.lexists(path):  # It was removed before it was held.
            os.close(file)
            return None
        os.utime(path)
        return file

    def _fetched(self, path: Path, size_bytes: int, fetch: Callable[[IO[bytes]], object]) -> int:
        parts = self.folder / _PARTS
        parts.mkdir(parents=True, exist_ok=True)
        self._make_room(size_bytes)
        part = parts / secrets.token_hex(12)
        with part.open("xb") as writing:
            try:
                fetch(writing)
                writing.flush()
                # Held before it has its name, so that nobody removes it in between.
                file = os.open(part, os.O_RDONLY)
                fcntl.flock(file, fcntl.LOCK_SH)
                path.parent.mkdir(parents=True, exist_ok=True)
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        return file

    def _make_room(self, size_bytes: int) -> None:
        copies = []
        for path in (self.folder / _KEPT).glob("*/*/*"):
            with suppress(FileNotFoundError):
                found = path.stat()
                copies.append((found.st_mtime_ns, found.st_size, path))
        held = sum(size for _, size, _ in copies)
        if held + size_bytes <= self._most:
            return
        enough = self._most * _FILLED_TO - size_bytes
        for _, size, path in sorted(copies):
            if held <= enough:
                return
            held -= size if _removed(path) else 0

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except OSError as error:
            raise InvalidInput(
                f"The cache {self.folder} cannot be used ({error.strerror or error}).",
                hint="Set S3PIPELINES_CACHE to a folder that may be written and has room.",
            ) from error


def _removed(path: Path) -> bool:
    """Remove a copy unless somebody uses it."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
        with suppress(OSError):
            path.parent.rmdir()
        return True
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(file)
