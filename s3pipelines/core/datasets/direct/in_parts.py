"""Sending a file by a ticket for an upload in parts: what is missing, part by part."""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from s3pipelines.core.datasets.direct.done import Done, DonePart
from s3pipelines.core.datasets.direct.sent import (
    DirectUpload,
    disagrees,
    ended,
    etag_of_parts,
    read_piece,
    require_unchanged,
)
from s3pipelines.core.datasets.direct.tickets import Call, PartsTicket, TicketPart
from s3pipelines.core.datasets.fingerprints import md5_of
from s3pipelines.core.datasets.local_files import LocalFile
from s3pipelines.core.datasets.room import MemoryRoom
from s3pipelines.core.datasets.workers import work_while_well
from s3pipelines.core.errors import Gone, InvalidInput, StorageError
from s3pipelines.core.storage.failures import code_of, presigned_errors
from s3pipelines.core.storage.http.connection import Body, Reply
from s3pipelines.core.storage.http.presigned import FileBody, PresignedClient
from s3pipelines.core.storage.verbs.uploads import Part, completion_of, parts_in
from s3pipelines.core.storage.verbs.xml import parse, text

_MIB = 1024 * 1024
_LEAST_PART_BYTES = 5 * _MIB
_MOST_PART_BYTES = 5 * 1024 * _MIB
# Larger parts are read while they are sent.
_MOST_IN_MEMORY = 64 * _MIB
PARTS_AT_A_TIME = 16


@dataclass(frozen=True)
class Piece:
    """What of the file goes where."""

    number: int
    offset: int
    size_bytes: int
    url: str


def cut(ticket: PartsTicket, file: LocalFile) -> list[Piece]:
    """Which piece of a file is which part.

    Raises:
        InvalidInput: The file has another size than the ticket is for.
    """
    wanted = ticket.size_bytes
    if wanted not in (None, file.size_bytes):
        raise InvalidInput(
            f"{file.path} has {file.size_bytes:,} bytes, and the ticket for {ticket.uri} is for "
            f"{wanted:,}.",
            hint="Name the file that it was made for, or ask for a ticket for this one.",
        )
    if wanted is not None:
        return [_as_told(part) for part in ticket.parts]
    each = -(-file.size_bytes // len(ticket.parts))
    each = max(_LEAST_PART_BYTES, -(-each // _MIB) * _MIB)
    if each > _MOST_PART_BYTES:
        raise InvalidInput(
            f"{file.path} is too large for {len(ticket.parts):,} parts.",
            hint="Ask for a ticket with more of them (--parts), or for its size (--bytes).",
        )
    offsets = range(0, max(file.size_bytes, 1), each)  # An empty file is one empty part.
    return [
        Piece(part.number, offset, min(each, file.size_bytes - offset), part.url)
        for part, offset in zip(ticket.parts, offsets, strict=False)
    ]


def _as_told(part: TicketPart) -> Piece:
    return Piece(part.number, part.first_byte or 0, part.size_bytes or 0, part.url)


class PartsUpload:
    """Sends one file by one ticket; used by one event loop.

    Args:
        client: Asks the server of the ticket.
        ticket: The ticket.
        file: What is sent.
        done: What was done with the ticket.
        room: Holds what is in memory.
        advance: Is told how many more bytes S3 has.
    """

    def __init__(
        self,
        client: PresignedClient,
        ticket: PartsTicket,
        file: LocalFile,
        done: Done,
        room: MemoryRoom,
        advance: Callable[[int], object],
    ) -> None:
        self._client = client
        self._ticket = ticket
        self._file = file
        self._done = done
        self._room = room
        self._advance = advance
        self._noted = done.parts(ticket.upload_id)
        self._sent_bytes = 0
        # Where the ETags of parts are no MD5s, that of the object is none of them.
        self._has_md5s = True

    async def run(self) -> DirectUpload:
        """Send what is missing, and have S3 make the object.

        Raises:
            InvalidInput: The file has another size than the ticket is for.
            Gone: The upload is no more, and nothing tells that this file was made of it.
            StorageError: It cannot be read or sent, or S3 has something else than was sent.
        """
        pieces = cut(self._ticket, self._file)
        etag = self._done.has_sent(self._ticket.upload_id, self._file)
        if etag is not None:
            self._advance(self._file.size_bytes)
            return ended(self._file, self._ticket.uri, "unchanged", etag)
        there = await self._arrived()
        if there is None:
            return await self._completed_before(pieces)
        parts: dict[int, DonePart] = {}
        await work_while_well(iter(pieces), self._into(parts, there), PARTS_AT_A_TIME)
        await asyncio.to_thread(require_unchanged, self._file)
        etag = await self._complete(pieces, parts)
        await asyncio.to_thread(
            self._done.note_object, self._ticket.upload_id, self._file, etag or ""
        )
        return ended(self._file, self._ticket.uri, "uploaded", etag, self._sent_bytes)

    def _into(
        self, parts: dict[int, DonePart], there: dict[int, Part]
    ) -> Callable[[Piece], Awaitable[None]]:
        async def one(piece: Piece) -> None:
            found = there.get(piece.number)
            usable = None if found is None else await self._usable(piece, found)
            parts[piece.number] = usable or await self._sent(piece)

        return one

    async def _arrived(self) -> dict[int, Part] | None:
        """The parts that S3 has; as far as is known here where it may not be asked."""
        if not self._ticket.list:
            return {n: Part(n, -1, part.etag, None) for n, part in self._noted.items()}
        found: dict[int, Part] = {}
        try:
            for call in self._ticket.list:
                reply = await self._ask("ListParts", call)
                for part in parts_in(parse(reply.body, "ListParts")):
                    found[part.number] = part
        except Gone:
            return None
        except StorageError as error:
            if code_of(error) == "NoSuchUpload":
                return None
            raise
        return found

    async def _usable(self, piece: Piece, found: Part) -> DonePart | None:
        """A part that has arrived, if it holds what the file holds there now."""
        if found.size_bytes not in (-1, piece.size_bytes):
            return None
        noted = self._noted.get(piece.number)
        md5 = await asyncio.to_thread(md5_of, self._file, piece.offset, piece.size_bytes)
        is_noted = noted is not None and (noted.etag, noted.md5) == (found.etag, md5.hex())
        if found.etag != md5.hex():
            if not is_noted:
                return None
            self._has_md5s = False
        self._advance(piece.size_bytes)
        return DonePart(found.etag, md5.hex())

    async def _sent(self, piece: Piece) -> DonePart:
        in_memory = piece.size_bytes <= _MOST_IN_MEMORY
        async with self._room.of(piece.size_bytes if in_memory else _MIB):
            body, md5 = await asyncio.to_thread(self._read, piece, in_memory=in_memory)
            headers = {"content-md5": base64.b64encode(md5).decode(), **self._ticket.headers}
            call = Call(method="PUT", url=piece.url, headers=headers)
            reply = await self._ask("UploadPart", call, body)
        etag = reply.headers.get("etag", "").strip('"')
        if disagrees(etag, reply.headers, md5.hex(), piece.size_bytes):
            raise self._other_bytes()
        self._has_md5s = self._has_md5s and etag == md5.hex()
        part = DonePart(etag, md5.hex())
        await asyncio.to_thread(self._done.note_part, self._ticket.upload_id, piece.number, part)
        self._sent_bytes += piece.size_bytes
        self._advance(piece.size_bytes)
        return part

    def _read(self, piece: Piece, *, in_memory: bool) -> tuple[Body, bytes]:
        if in_memory:
            body = read_piece(self._file, piece.offset, piece.size_bytes)
            return body, hashlib.md5(body, usedforsecurity=False).digest()
        md5 = md5_of(self._file, piece.offset, piece.size_bytes)
        return FileBody(self._file.path, piece.offset, piece.size_bytes), md5

    async def _complete(self, pieces: list[Piece], parts: dict[int, DonePart]) -> str | None:
        """Have S3 make the object, and tell its ETag."""
        listed = [Part(p.number, p.size_bytes, parts[p.number].etag, None) for p in pieces]
        expected = etag_of_parts([parts[piece.number].md5 for piece in pieces])
        try:
            body = completion_of(listed)
            reply = await self._ask("CompleteMultipartUpload", self._ticket.complete, body)
            etag = text(parse(reply.body, "CompleteMultipartUpload"), "ETag").strip('"')
        except StorageError as error:
            # It was made, and nobody heard of it; or somebody with the same ticket was faster.
            if code_of(error) != "NoSuchUpload":
                raise
            etag = await self._look()
            if etag != expected:
                raise self._gone() from error
        # Some servers do not tell it here.
        etag = etag or await self._look()
        if etag and self._has_md5s and etag != expected:
            raise self._other_bytes()
        return etag

    async def _completed_before(self, pieces: list[Piece]) -> DirectUpload:
        """The upload is no more; was the object made of this file?"""
        there = await self._look()
        if there is None:
            raise self._gone()
        md5s = [
            await asyncio.to_thread(md5_of, self._file, piece.offset, piece.size_bytes)
            for piece in pieces
        ]
        noted = self._noted
        all_noted = all(
            (known := noted.get(piece.number)) is not None and known.md5 == md5.hex()
            for piece, md5 in zip(pieces, md5s, strict=True)
        )
        encrypted = all_noted and any(one.etag != one.md5 for one in noted.values())
        if there != etag_of_parts([md5.hex() for md5 in md5s]) and not encrypted:
            raise self._gone()
        await asyncio.to_thread(require_unchanged, self._file)
        await asyncio.to_thread(self._done.note_object, self._ticket.upload_id, self._file, there)
        self._advance(self._file.size_bytes)
        return ended(self._file, self._ticket.uri, "unchanged", there)

    async def _look(self) -> str | None:
        """The ETag of what is at the key; None if there is nothing, or it may not be asked."""
        if self._ticket.look is None:
            return None
        try:
            reply = await self._ask("HeadObject", self._ticket.look)
        except Gone:
            return None
        return reply.headers.get("etag", "").strip('"') or None

    async def _ask(self, operation: str, call: Call, body: Body = b"") -> Reply:
        ticket = self._ticket
        try:
            with presigned_errors(ticket.bucket, ticket.key):
                return await self._client.ask(
                    operation, call.method, call.url, headers=call.headers, body=body
                )
        except StorageError as error:
            if ticket.is_expired or ticket.is_told_late(error):
                raise ticket.expired() from error
            raise

    def _gone(self) -> Gone:
        return Gone(
            f"The upload to {self._ticket.uri} was completed or called off, and what is there now "
            "is not this file.",
            hint="Ask whoever made the ticket for a new one.",
        )

    def _other_bytes(self) -> StorageError:
        return StorageError(
            f"{self._ticket.uri} does not hold what was sent.",
            hint="Repeat it; if it goes on, look at what stands between here and the server.",
        )
