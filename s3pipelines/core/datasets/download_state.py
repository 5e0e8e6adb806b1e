"""What a download knows of its folder: which files are whole, which ranges of others are there.

It lies in a hidden folder beside the files. SQLite, since a process may be killed at any moment;
what was not written down by then is found out anew from the files themselves.
"""

import fcntl
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from s3pipelines.core.datasets.local_paths import STATE_FOLDER
from s3pipelines.core.errors import Busy, InvalidInput

_FLUSH_ROWS = 500
_FLUSH_AFTER_S = 1.0
_TABLES = """
    CREATE TABLE IF NOT EXISTS whole (
        name TEXT PRIMARY KEY, etag TEXT, size_bytes INTEGER, modified_ns INTEGER, sha256 TEXT
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS ranges (
        name TEXT, etag TEXT, range_bytes INTEGER, number INTEGER,
        PRIMARY KEY (name, etag, range_bytes, number)
    ) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Whole:
    """A file that was downloaded, as it was left.

    Attributes:
        etag: Of the object that it is.
        modified_ns: When its file system says that it was written.
        sha256: In hexadecimal.
    """

    name: str
    etag: str
    size_bytes: int
    modified_ns: int
    sha256: str

    def is_as_left(self, path: Path) -> bool:
        """Nobody has written it since."""
        try:
            found = path.lstat()
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) == (self.size_bytes, self.modified_ns)


class DownloadState:
    """The state of one folder, held by one process at a time; as `with`.

    Args:
        folder: Where the files go; it is made if it does not exist.
        own: Where the state lies, in the same file system; by default a hidden folder in `folder`.

    Raises:
        InvalidInput: The folder cannot be written.
        Busy: Another process downloads into it.
    """

    def __init__(self, folder: Path, own: Path | None = None) -> None:
        self.folder = folder
        self._own = own or folder / STATE_FOLDER
        self.parts = self._own / "parts"
        self._turn = threading.Lock()
        self._waiting: list[Whole] = []
        self._flushed_at = time.monotonic()

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.parts.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._own / "lock", os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            raise InvalidInput(
                f"The folder {self.folder} cannot be written ({error.strerror or error}).",
                hint="Choose another with --dir.",
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._database = self._opened()
        except BaseException as error:
            os.close(self._lock)
            if not isinstance(error, BlockingIOError):
                raise
            raise Busy(
                f"Another process downloads into {self.folder}.",
                hint="Wait for it to end, or choose another folder.",
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.flush()
            self._database.close()
        finally:
            os.close(self._lock)

    def _opened(self) -> sqlite3.Connection:
        path = self._own / "state.sqlite"
        try:
            return self._connected(path)
        except sqlite3.DatabaseError:
            # Damaged, by a full disk for example. It only saves time.
            path.unlink(missing_ok=True)
            return self._connected(path)

    def _connected(self, path: Path) -> sqlite3.Connection:
        database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_TABLES)
        return database

    def whole(self, name: str) -> Whole | None:
        """The file of that name as this folder's downloads left it; None if none did."""
        with self._turn:
            found = self._database.execute(
                "SELECT name, etag, size_bytes, modified_ns, sha256 FROM whole WHERE name = ?",
                (name,),
            ).fetchone()
        return Whole(*found) if found else None

    def wholes(self) -> Iterator[Whole]:
        """All files that downloads left in this folder, by name."""
        self.flush()
        rows = self._database.execute(
            "SELECT name, etag, size_bytes, modified_ns, sha256 FROM whole ORDER BY name"
        )
        while some := rows.fetchmany(_FLUSH_ROWS):
            yield from (Whole(*row) for row in some)

    def note_whole(self, one: Whole) -> None:
        """Note a file that is whole; written down with others within a second or so."""
        with self._turn:
            self._waiting.append(one)
            old = time.monotonic() - self._flushed_at > _FLUSH_AFTER_S
            if not old and len(self._waiting) < _FLUSH_ROWS:
                return
        self.flush()

    def flush(self) -> None:
        """Write down what was noted."""
        with self._turn:
            rows = [
                (one.name, one.etag, one.size_bytes, one.modified_ns, one.sha256)
                for one in self._waiting
            ]
            self._database.execute("BEGIN")
            self._database.executemany("INSERT OR REPLACE INTO whole VALUES (?, ?, ?, ?, ?)", rows)
            self._database.execute("COMMIT")
            self._waiting.clear()
            self._flushed_at = time.monotonic()

    def part_path(self, name: str) -> Path:
        """Where the parts of a file are put together."""
        return self.parts / hashlib.sha256(os.fsencode(name)).hexdigest()

    def ranges(self, name: str, etag: str, range_bytes: int) -> set[int]:
        """The ranges of an object that are in the file of its parts already."""
        if not self.part_path(name).exists():
            self.forget_ranges(name)
            return set()
        with self._turn:
            found = self._database.execute(
                "SELECT number FROM ranges WHERE name = ? AND etag = ? AND range_bytes = ?",
                (name, etag, range_bytes),
            ).fetchall()
        return {number for (number,) in found}

    def note_range(self, name: str, etag: str, range_bytes: int, number: int) -> None:
        """Note a range that was written."""
        with self._turn:
            self._database.execute(
                "INSERT OR IGNORE INTO ranges VALUES (?, ?, ?, ?)",
                (name, etag, range_bytes, number),
            )

    def forget_ranges(self, name: str) -> None:
        """Forget the parts of a file."""
        with self._turn:
            self._database.execute("DELETE FROM ranges WHERE name = ?", (name,))
        self.part_path(name).unlink(missing_ok=True)
