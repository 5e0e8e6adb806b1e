"""Fetching one object: whole where it is small, in ranges where it is large; proven and placed."""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NoReturn

from s3pipelines.core.datasets.download_state import DownloadState
from s3pipelines.core.datasets.following import Following
from s3pipelines.core.datasets.members import Member
from s3pipelines.core.datasets.proofs import Known, Prover, least_proof
from s3pipelines.core.datasets.room import MemoryRoom
from s3pipelines.core.datasets.workers import work_through
from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.connection import Reply
from s3pipelines.core.storage.verbs.get import get_object, head_headers
from s3pipelines.core.storage.verbs.read import read_range_in_pieces

_RANGES_AT_A_TIME = 32


@dataclass(frozen=True)
class Fetched:
    """An object that lies, proven, in a file beside its place.

    Attributes:
        path: The file.
        proofs: What agrees with what was known.
        sha256: In hexadecimal.
        modified_ns: When the file says that it was written: if S3 told it, what S3 says.
    """

    path: Path
    proofs: tuple[str, ...]
    sha256: str
    modified_ns: int


class Fetcher:
    """Fetches objects of one bucket; used by one event loop.

    Args:
        client: Asks the bucket.
        state: Of the folder.
        place: Moves the file of an object to its place; called in a thread.
        room: Holds what is in memory.
        advance: Is told how many more bytes are here, negative if some were wrong.
        range_bytes: What is larger is fetched in ranges of this size.
    """

    def __init__(
        self,
        client: BucketClient,
        state: DownloadState,
        place: Callable[[Member, Fetched], object],
        room: MemoryRoom,
        advance: Callable[[int], object],
        range_bytes: int,
    ) -> None:
        self._client = client
        self._state = state
        self._place = place
        self._room = room
        self._advance = advance
        self._range_bytes = range_bytes

    async def fetch(self, member: Member, version_id: str | None, sha256: str | None) -> Fetched:
        """Fetch an object to its place.

        Args:
            member: The object; with another ETag it is not fetched.
            version_id: Which version of its key; None for what the key holds.
            sha256: What an audit found; None if there was none.

        Raises:
            PreconditionFailed: The key holds another object by now.
            Gone: It holds none.
            Archived: It has to be restored first.
            StorageError: It cannot be read or written, or its bytes are not those of the object.
        """
        if member.size_bytes <= self._range_bytes:
            return await self._whole(member, version_id, sha256)
        return await self._in_ranges(member, version_id, sha256)

    async def _whole(self, member: Member, version_id: str | None, sha256: str | None) -> Fetched:
        async with self._room.of(member.size_bytes):
            reply = await get_object(
                self._client, member.key, etag=member.etag, version_id=version_id
            )
            known = least_proof(Known(member.size_bytes, member.etag, reply.headers, sha256))
            # In one go: to change threads takes longer than to write a small file.
            fetched = await asyncio.to_thread(self._filed, member, reply, known)
        self._advance(len(reply.body))
        return fetched or self._refuse(member)

    def _filed(self, member: Member, reply: Reply, known: Known) -> Fetched | None:
        path, prover = self._state.part_path(member.name), Prover(known)
        prover.update(reply.body)
        proofs = prover.proofs()
        if proofs is None:
            return None
        try:
            with path.open("wb", buffering=0) as file:
                rest = memoryview(reply.body)
                while rest:
                    rest = rest[file.write(rest) :]
                modified_ns = _dated(file.fileno(), reply.headers)
        except OSError as error:
            raise not_written(member.name, error) from error
        fetched = Fetched(path, proofs, prover.sha256, modified_ns)
        self._place(member, fetched)
        return fetched

    async def _in_ranges(
        self, member: Member, version_id: str | None, sha256: str | None
    ) -> Fetched:
        headers = await head_headers(
            self._client, member.key, etag=member.etag, version_id=version_id
        )
        known = least_proof(Known(member.size_bytes, member.etag, headers, sha256))
        path = self._state.part_path(member.name)
        there = await asyncio.to_thread(
            self._state.ranges, member.name, member.etag, self._range_bytes
        )
        self._advance(sum(self._length(member, number) for number in there))
        total = -(-member.size_bytes // self._range_bytes)
        await asyncio.to_thread(_sized, path, member)
        following = Following(path, Prover(known), self._range_bytes, set(there))

        async def fetch(number: int) -> None:
            await self._range(member, version_id, number)
            following.arrived(number)

        missing = (number for number in range(total) if number not in there)
        async with following.through(total) as prover:
            await work_through(missing, fetch, _RANGES_AT_A_TIME)
        proofs = prover.proofs() or self._refuse(member)
        return await asyncio.to_thread(self._finished, member, proofs, prover.sha256, headers)

    def _finished(
        self, member: Member, proofs: tuple[str, ...], sha256: str, headers: Mapping[str, str]
    ) -> Fetched:
        path = self._state.part_path(member.name)
        try:
            with path.open("rb") as file:
                modified_ns = _dated(file.fileno(), headers)
        except OSError as error:
            raise not_written(member.name, error) from error
        fetched = Fetched(path, proofs, sha256, modified_ns)
        self._place(member, fetched)
        self._state.forget_ranges(member.name)
        return fetched

    async def _range(self, member: Member, version_id: str | None, number: int) -> None:
        offset, length = number * self._range_bytes, self._length(member, number)
        async with self._room.of(length):
            pieces = await read_range_in_pieces(
                self._client, member.key, offset, length, etag=member.etag, version_id=version_id
            )
            if sum(map(len, pieces)) != length:
                raise StorageError(
                    f"The endpoint does not answer ranges of {member.key}.",
                    hint="Check what stands between here and the S3 server.",
                )
            await asyncio.to_thread(self._write, member, number, pieces)
        self._advance(length)

    def _write(self, member: Member, number: int, pieces: tuple[bytes, ...]) -> None:
        try:
            # Opened by whoever writes: a write that was called off must not meet another file.
            with self._state.part_path(member.name).open("r+b") as file:
                file.seek(number * self._range_bytes)
                file.writelines(pieces)
        except OSError as error:
            raise not_written(member.name, error) from error
        self._state.note_range(member.name, member.etag, self._range_bytes, number)

    def _length(self, member: Member, number: int) -> int:
        return min(self._range_bytes, member.size_bytes - number * self._range_bytes)

    def _refuse(self, member: Member) -> NoReturn:
        self._state.forget_ranges(member.name)
        self._advance(-member.size_bytes)
        raise WrongBytes(
            f"What arrived of {member.key} is not what S3 says of it.",
            hint="Repeat it; if it goes on, the object, or its way here, is damaged.",
        )


def _dated(file: int, headers: Mapping[str, str]) -> int:
    """Give an open file the time of its object, if S3 told it; the time that it has then, in ns."""
    with suppress(ValueError):
        at = parsedate_to_datetime(headers.get("last-modified", "")).timestamp()
        os.utime(file, (at, at))
    return os.fstat(file).st_mtime_ns


class WrongBytes(StorageError):
    """What arrived is not what was expected."""


def not_written(name: str, error: OSError) -> StorageError:
    """The error for a file that cannot be written."""
    return StorageError(
        f"{name} cannot be written ({error.strerror or error}).",
        hint="Check the permissions of the folder, and the room on its disk.",
    )


def _sized(path: Path, member: Member) -> None:
    try:
        path.touch()
        os.truncate(path, member.size_bytes)
    except OSError as error:
        raise not_written(member.name, error) from error
