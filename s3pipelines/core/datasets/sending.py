"""Sending one file, whole or in parts, so that what S3 holds is proven to be what was read."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from s3pipelines.core.datasets.fingerprints import (
    SHA256_METADATA,
    Fingerprint,
    md5_of,
    read_part,
    require_unchanged,
)
from s3pipelines.core.datasets.local_files import LocalFile
from s3pipelines.core.datasets.room import MemoryRoom
from s3pipelines.core.datasets.upload_notes import UploadNote, UploadNotes
from s3pipelines.core.datasets.workers import work_while_well
from s3pipelines.core.errors import PreconditionFailed, StorageError
from s3pipelines.core.storage.failures import code_of
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.copy import tag_header
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.read import read_hashes
from s3pipelines.core.storage.verbs.uploads import (
    Part,
    Written,
    abort_upload,
    begin_upload,
    complete_upload,
    list_parts,
    put_checked,
    send_part,
)

_NOT_KNOWN_TO_SERVER = "NotImplemented"
_PARTS_AT_A_TIME = 16


@dataclass(frozen=True)
class Parcel:
    """A file on its way to a key.

    Attributes:
        known: What it holds.
        headers: How the object is written: what it says of itself, and its tags.
        replaces: ETag of what is there and is to be replaced; None if nothing may be there.
        body: All of it, where it goes in one request and has been read.
    """

    file: LocalFile
    known: Fingerprint
    headers: dict[str, str]
    replaces: str | None
    body: bytes | None = None

    @property
    def condition(self) -> dict[str, str]:
        """What must hold about the key, as a header."""
        if self.replaces is None:
            return {"if-none-match": "*"}
        return {"if-match": f'"{self.replaces}"'}


def headers_of(
    known: Fingerprint, content_type: str | None, tags: dict[str, str]
) -> dict[str, str]:
    """With which headers an object of such a file is written."""
    described = {"content-type": content_type} if content_type else {}
    return {**described, f"x-amz-meta-{SHA256_METADATA}": known.whole.hex, **tag_header(tags)}


class Sender:
    """Sends files into one bucket; used by one event loop.

    Args:
        client: Asks the bucket.
        notes: Where uploads in parts are noted.
        room: Holds what is in memory.
        advance: Is told how many more bytes S3 has, negative if some did not arrive.
    """

    def __init__(
        self,
        client: BucketClient,
        notes: UploadNotes,
        room: MemoryRoom,
        advance: Callable[[int], object],
    ) -> None:
        self._client = client
        self._notes = notes
        self._room = room
        self._advance = advance
        # Of what was sent to servers that tell no checksums, by key and number of the part.
        self._md5s: dict[str, dict[int, bytes]] = {}

    async def send(self, parcel: Parcel) -> Written:
        """Send a file; the object is there whole, or not at all.

        Raises:
            PreconditionFailed: The key does not hold any more what the parcel says.
            StorageError: It cannot be read or sent, or S3 holds something else than was sent.
        """
        if parcel.body is not None:
            written = await self._put(parcel, parcel.body)
        else:
            written = await self._send_parts(parcel)
        await self._prove(parcel, written)
        return written

    async def _put(self, parcel: Parcel, body: bytes) -> Written:
        async def put(condition: dict[str, str]) -> Written:
            headers = parcel.headers | condition
            whole = parcel.known.whole
            return await put_checked(self._client, parcel.file.key, body, whole, headers)

        written = await self._with_condition(parcel, put)
        self._advance(len(body))
        return written

    async def _send_parts(self, parcel: Parcel) -> Written:
        upload_id, there = await self._begun(parcel)
        missing = [n for n in range(1, len(parcel.known.parts) + 1) if n not in there]
        sent = await self._send_missing(parcel, upload_id, missing)
        parts = sorted([*there.values(), *sent], key=lambda part: part.number)

        async def complete(condition: dict[str, str]) -> Written:
            return await complete_upload(self._client, parcel.file.key, upload_id, parts, condition)

        written = await self._with_condition(parcel, complete)
        await asyncio.to_thread(self._notes.remove, parcel.file.key)
        return written

    async def _send_missing(self, parcel: Parcel, upload_id: str, missing: list[int]) -> list[Part]:
        """Send parts; after an error no other is begun, and those under way are for next time."""
        sent: list[Part] = []

        async def one(number: int) -> None:
            offset, length = _place(parcel.known, number)
            async with self._room.of(length):
                sent.append(await self._send_part(parcel, upload_id, number, offset, length))

        await work_while_well(iter(missing), one, _PARTS_AT_A_TIME)
        await asyncio.to_thread(require_unchanged, parcel.file, parcel.known)
        return sent

    async def _begun(self, parcel: Parcel) -> tuple[str, dict[int, Part]]:
        """An upload of exactly this file that was begun before, or a new one, and what it has."""
        key, known = parcel.file.key, parcel.known
        note = await asyncio.to_thread(self._notes.read, key)
        if note is not None:
            if note.is_of(key, known.whole.hex, known.part_bytes, parcel.headers):
                parts = await list_parts(self._client, key, note.upload_id)
                if parts is not None:
                    return note.upload_id, await self._usable(parcel, parts)
            else:
                with suppress(StorageError):  # It may be complete, or gone.
                    await abort_upload(self._client, key, note.upload_id)
        upload_id = await begin_upload(self._client, key, parcel.headers)
        made = UploadNote(
            key=key,
            upload_id=upload_id,
            sha256=known.whole.hex,
            part_bytes=known.part_bytes,
            headers=parcel.headers,
        )
        await asyncio.to_thread(self._notes.write, made)
        return upload_id, {}

    async def _usable(self, parcel: Parcel, parts: list[Part]) -> dict[int, Part]:
        """Those of the parts that hold what the file holds there."""
        usable: dict[int, Part] = {}
        for part in parts:
            if part.number > len(parcel.known.parts):
                continue
            if await self._is_as_read(parcel, part):
                usable[part.number] = part
                self._advance(part.size_bytes)
        return usable

    async def _send_part(
        self, parcel: Parcel, upload_id: str, number: int, offset: int, length: int
    ) -> Part:
        file, digest = parcel.file, parcel.known.parts[number - 1]
        body = await asyncio.to_thread(read_part, file, offset, length)
        try:
            part = await send_part(self._client, file.key, upload_id, number, body, digest)
        except StorageError:
            # The server compares the bytes with the digest: is it the file that has changed?
            await asyncio.to_thread(require_unchanged, file, parcel.known)
            raise
        if part.sha256 is None:
            md5 = await asyncio.to_thread(_md5, body)
            self._md5s.setdefault(file.key, {})[number] = md5
        elif part.sha256 != digest.text:
            raise _other_bytes(self._client.bucket, file.key)
        self._advance(length)
        return part

    async def _is_as_read(self, parcel: Parcel, part: Part) -> bool:
        offset, length = _place(parcel.known, part.number)
        if part.size_bytes != length:
            return False
        if part.sha256 is not None:
            return part.sha256 == parcel.known.parts[part.number - 1].text
        # With KMS the ETag of a part is none of its bytes, so that it is sent again.
        return part.etag == (await asyncio.to_thread(md5_of, parcel.file, offset, length)).hex()

    async def _with_condition(
        self, parcel: Parcel, write: Callable[[dict[str, str]], Coroutine[Any, Any, Written]]
    ) -> Written:
        """Write with a precondition; without one where the server cannot compare it.

        Then the key was looked at immediately before. Some servers say that they know none; Ceph's
        refuses to complete an upload over an ETag, also where it is the right one.
        """
        try:
            return await write(parcel.condition)
        except PreconditionFailed:
            if parcel.replaces is None:
                raise
            now = await head(self._client, parcel.file.key)
            if now is None or now.etag != parcel.replaces:
                raise
        except StorageError as error:
            if code_of(error) != _NOT_KNOWN_TO_SERVER:
                raise
        return await write({})

    async def _prove(self, parcel: Parcel, written: Written) -> None:
        """Compare what S3 says that it holds: a checksum, an ETag that is an MD5, or its bytes."""
        known, key = parcel.known, parcel.file.key
        told = written.sha256
        if told is None:
            md5s = self._md5s.pop(key, {})
            if written.etag == await asyncio.to_thread(_etag_of, parcel, md5s):
                return
            found = await head(self._client, key, written.version_id)
            told = None if found is None else found.checksums.get("sha256")
        if told is None:
            read = await read_hashes(
                self._client, key, etag=written.etag, version_id=written.version_id
            )
            if read.sha256 == known.whole.hex:
                return
        elif known.is_told_by(told):
            return
        raise _other_bytes(self._client.bucket, key)


def _place(known: Fingerprint, number: int) -> tuple[int, int]:
    offset = (number - 1) * known.part_bytes
    return offset, min(known.part_bytes, known.size_bytes - offset)


def _etag_of(parcel: Parcel, sent: dict[int, bytes]) -> str:
    """The ETag that S3 gives, where it is made of MD5s; those of `sent` are known."""
    known, file = parcel.known, parcel.file
    if parcel.body is not None:
        return _md5(parcel.body).hex()
    md5s = [
        sent.get(number) or md5_of(file, *_place(known, number))
        for number in range(1, len(known.parts) + 1)
    ]
    return f"{_md5(b''.join(md5s)).hex()}-{len(md5s)}"


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def _other_bytes(bucket: str, key: str) -> StorageError:
    return StorageError(
        f"s3://{bucket}/{key} does not hold what was sent.",
        hint="Send it again; if it goes on, look at what stands between here and the server.",
    )
