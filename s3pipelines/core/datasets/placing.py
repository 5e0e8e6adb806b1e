"""The files of a download in their folder: what is there, and putting fetched ones in place."""

import os
from pathlib import Path
from typing import Literal

from s3pipelines.core.datasets.download_state import DownloadState, Whole
from s3pipelines.core.datasets.fetching import Fetched, not_written
from s3pipelines.core.datasets.members import Member
from s3pipelines.core.datasets.proofs import Known, Prover
from s3pipelines.core.errors import StorageError

_READ_BYTES = 1024 * 1024
# `mine`: an earlier download left it there, of another state of the object; nobody changed it.
There = Literal["nothing", "same", "mine", "other"]


class Places:
    """Knows what is in the folder, and writes into it; never outside, wherever links there lead.

    Args:
        state: Of the folder.
    """

    def __init__(self, state: DownloadState) -> None:
        self._state = state
        self._root = Path(os.path.realpath(state.folder))
        self._inside: set[Path] = set()
        self._ready: set[Path] = set()

    def is_taken(self, member: Member) -> bool:
        """There is something at the place of an object."""
        return os.path.lexists(self._path(member))

    def look(self, member: Member, sha256: str | None) -> There:
        """What is at the place of an object, without asking S3.

        Args:
            member: The object.
            sha256: What an audit found of it; None if there was none.

        Raises:
            StorageError: What is there cannot be read, or lies outside.
        """
        path = self._path(member)
        if not self.is_taken(member):
            return "nothing"
        self._require_inside(path.parent)
        left = self._state.whole(member.name)
        if left is not None and left.is_as_left(path):
            return "same" if left.etag == member.etag else "mine"
        if path.is_symlink() or not path.is_file():
            return "other"
        return "same" if self._is_proven(path, member, sha256) else "other"

    def place(self, member: Member, fetched: Fetched) -> None:
        """Move a fetched file to its place; it is there whole or not at all.

        Raises:
            StorageError: It cannot be written, or its place lies outside.
        """
        path = self._path(member)
        try:
            if path.parent not in self._ready:
                self._require_inside(path.parent)
                path.parent.mkdir(parents=True, exist_ok=True)
                self._ready.add(path.parent)
            fetched.path.replace(path)
        except OSError as error:
            raise not_written(member.name, error) from error
        self._state.note_whole(
            Whole(member.name, member.etag, member.size_bytes, fetched.modified_ns, fetched.sha256)
        )

    def _path(self, member: Member) -> Path:
        return self._state.folder / member.name

    def _require_inside(self, folder: Path) -> None:
        if folder in self._inside:
            return
        real = Path(os.path.realpath(folder))
        if real != self._root and self._root not in real.parents:
            raise StorageError(
                f"{folder} is a link that leads out of {self._state.folder}.",
                hint="Remove the link, or choose another folder.",
            )
        self._inside.add(folder)

    def _is_proven(self, path: Path, member: Member, sha256: str | None) -> bool:
        """A file that no download left there is the object, by what the index knows of it."""
        try:
            found = path.stat()
            if found.st_size != member.size_bytes:
                return False
            prover = Prover(Known(member.size_bytes, member.etag, {}, sha256))
            with path.open("rb", buffering=0) as file:
                while body := file.read(_READ_BYTES):
                    prover.update(body)
        except OSError as error:
            raise not_written(member.name, error) from error
        proofs = prover.proofs()
        if proofs is None or len(proofs) < 2:
            return False
        self._state.note_whole(
            Whole(member.name, member.etag, found.st_size, found.st_mtime_ns, prover.sha256)
        )
        return True
