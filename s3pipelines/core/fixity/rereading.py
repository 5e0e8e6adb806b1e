"""Reading an object from its beginning to its end, only to learn whether it is what it was."""

import asyncio
from collections import deque
from dataclasses import dataclass

from s3pipelines.core.datasets.members import Member
from s3pipelines.core.datasets.proofs import Known, Prover
from s3pipelines.core.datasets.room import MemoryRoom
from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.get import get_object, head_headers
from s3pipelines.core.storage.verbs.read import read_range

# One object alone is read at the pace of four connections.
_RANGES_AHEAD = 4


@dataclass(frozen=True)
class Reading:
    """What reading an object gave.

    Attributes:
        size_bytes: Size of what was read; None if S3 says that it would be another than it was.
        sha256: In hexadecimal; None likewise.
        proofs: What agreed with what was known; None if something did not.
        disagreeing: What did not.
    """

    size_bytes: int | None
    sha256: str | None
    proofs: tuple[str, ...] | None
    disagreeing: tuple[str, ...] = ()


class Rereader:
    """Reads objects of one bucket, with a bound on what is in memory; used by one event loop.

    Args:
        client: Asks the bucket.
        room: Holds what is in memory.
        range_bytes: What is larger is read in ranges of this size.
    """

    def __init__(self, client: BucketClient, room: MemoryRoom, range_bytes: int) -> None:
        self._client = client
        self._room = room
        self._range_bytes = range_bytes

    async def read(
        self, member: Member, version_id: str | None, known_sha256: str | None
    ) -> Reading:
        """Read an object, and compare it with all that is known of it.

        Args:
            member: The object; with another ETag it is not read.
            version_id: Which version of its key; None for what the key holds.
            known_sha256: What it has to be, in hexadecimal; None if nobody has noted that.

        Raises:
            PreconditionFailed: The key holds another object by now.
            Gone: It holds none.
            Archived: It has to be restored first.
            StorageError: It cannot be read.
        """
        if member.size_bytes <= self._range_bytes:
            return await self._whole(member, version_id, known_sha256)
        return await self._in_ranges(member, version_id, known_sha256)

    async def _whole(
        self, member: Member, version_id: str | None, known_sha256: str | None
    ) -> Reading:
        async with self._room.of(member.size_bytes):
            reply = await get_object(
                self._client, member.key, etag=member.etag, version_id=version_id
            )
            prover = Prover(Known(member.size_bytes, member.etag, reply.headers, known_sha256))
            await asyncio.to_thread(prover.update, reply.body)
        return _reading(prover, len(reply.body))

    async def _in_ranges(
        self, member: Member, version_id: str | None, known_sha256: str | None
    ) -> Reading:
        headers = await head_headers(
            self._client, member.key, etag=member.etag, version_id=version_id
        )
        size_bytes = int(headers.get("content-length", member.size_bytes))
        if size_bytes != member.size_bytes:
            return Reading(None, None, None, ("size",))
        prover = Prover(Known(member.size_bytes, member.etag, headers, known_sha256))
        pieces: deque[asyncio.Task[None]] = deque()
        try:
            for offset in range(0, size_bytes, self._range_bytes):
                if len(pieces) == _RANGES_AHEAD:
                    await pieces.popleft()
                before = pieces[-1] if pieces else None
                work = self._piece(member, version_id, offset, prover, before)
                pieces.append(asyncio.create_task(work))
            for piece in pieces:
                await piece
        finally:
            for piece in pieces:
                piece.cancel()
            await asyncio.gather(*pieces, return_exceptions=True)
        return _reading(prover, size_bytes)

    async def _piece(
        self,
        member: Member,
        version_id: str | None,
        offset: int,
        prover: Prover,
        before: asyncio.Task[None] | None,
    ) -> None:
        length = min(self._range_bytes, member.size_bytes - offset)
        # Held until it is hashed. Rooms are given in the order in which they are asked for, so
        # that the piece that this one waits for has its own.
        async with self._room.of(length):
            body = await read_range(
                self._client, member.key, offset, length, etag=member.etag, version_id=version_id
            )
            if len(body) != length:
                raise StorageError(
                    f"The endpoint does not answer ranges of {member.key}.",
                    hint="Check what stands between here and the S3 server.",
                )
            if before is not None:
                await before
            await asyncio.to_thread(prover.update, body)


def _reading(prover: Prover, size_bytes: int) -> Reading:
    proofs = prover.proofs()
    return Reading(size_bytes, prover.sha256, proofs, prover.disagreeing if proofs is None else ())
