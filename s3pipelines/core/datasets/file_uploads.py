"""Uploading local files to keys: look what is there, send what is not, prove what was sent.

Nothing is remembered but what S3 and the catalog hold. Whoever repeats an upload that was killed
finds what is complete by its checksum, and the parts of what is not by the upload's note.
"""

import asyncio
import mimetypes
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from s3pipelines.core.datasets.absence import Absence
from s3pipelines.core.datasets.fingerprints import (
    Fingerprint,
    fingerprint,
    holds_same,
    read_whole,
)
from s3pipelines.core.datasets.local_files import LocalFile, Unusable
from s3pipelines.core.datasets.registered import Registered
from s3pipelines.core.datasets.room import MemoryRoom
from s3pipelines.core.datasets.sending import Parcel, Sender, headers_of
from s3pipelines.core.datasets.tagging import with_tags
from s3pipelines.core.datasets.upload_notes import UploadNotes
from s3pipelines.core.errors import PreconditionFailed, StorageError
from s3pipelines.core.storage.failures import code_of
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.uploads import Written
from s3pipelines.core.storage.verbs.values import Found

_MIB = 1024 * 1024
PART_BYTES = 16 * _MIB
_MOST_PARTS = 10_000
FILES_AT_A_TIME = REQUESTS_AT_A_TIME = 128
_MOST_IN_MEMORY = 256 * _MIB


@dataclass(frozen=True)
class Rules:
    """How files are uploaded.

    Attributes:
        tags: Tags that all of them get.
        overwrite: Replace an object of the same key that holds something else.
        dry_run: Only look.
        part_bytes: What is larger goes in parts of this size.
        pinned: By key and ETag, the version that an object is a member of: it is not replaced.
    """

    tags: dict[str, str] = field(default_factory=dict)
    overwrite: bool = False
    dry_run: bool = False
    part_bytes: int = PART_BYTES
    pinned: dict[tuple[str, str], str] = field(default_factory=dict)


class FileUploads:
    """Uploads files into one bucket; used by one event loop.

    Args:
        client: Asks the bucket.
        rules: How.
        notes: Where uploads in parts are noted.
        absence: Knows of keys where nothing is.
        advance: Is told how many more bytes S3 has, negative if some did not arrive.
    """

    def __init__(
        self,
        client: BucketClient,
        rules: Rules,
        notes: UploadNotes,
        absence: Absence,
        advance: Callable[[int], object],
    ) -> None:
        self._client = client
        self._rules = rules
        self._notes = notes
        self._absence = absence
        self._advance = advance
        self._room = MemoryRoom(_MOST_IN_MEMORY)
        self._sender = Sender(client, notes, self._room, advance)

    async def upload(self, file: LocalFile) -> Registered:
        """Upload a file, unless its key holds the same already.

        Raises:
            StorageError: It cannot be read or sent, or S3 holds something else than was sent.
        """
        is_absent = await self._absence.is_known_of(file.key)
        found = None if is_absent else await head(self._client, file.key)
        if found is not None and found.size_bytes != file.size_bytes and not self._rules.overwrite:
            return _exists(file)
        part_bytes = self._part_bytes(file)
        if file.size_bytes > part_bytes:
            known = await asyncio.to_thread(fingerprint, file, part_bytes)
            return await self._judged(file, known, found, None)
        async with self._room.of(file.size_bytes):
            known, body = await asyncio.to_thread(read_whole, file)
            return await self._judged(file, known, found, body)

    async def _judged(
        self, file: LocalFile, known: Fingerprint, found: Found | None, body: bytes | None
    ) -> Registered:
        if found is not None:
            if await asyncio.to_thread(holds_same, file, known, found):
                return await self._unchanged(file, known, found)
            if not self._rules.overwrite:
                return _exists(file)
            if (version := self._rules.pinned.get((file.key, found.etag))) is not None:
                return _pinned(file, version)
        if self._rules.dry_run:
            ended = "would_upload" if found is None else "would_replace"
            return Registered(file.key, str(file.path), file.size_bytes, ended)
        return await self._uploaded(file, known, found, body)

    async def _uploaded(
        self, file: LocalFile, known: Fingerprint, found: Found | None, body: bytes | None
    ) -> Registered:
        tags = self._rules.tags
        content_type = mimetypes.guess_type(file.path.name)[0]
        headers = headers_of(known, content_type, tags)
        parcel = Parcel(file, known, headers, None if found is None else found.etag, body)
        try:
            written = await self._sender.send(parcel)
        except StorageError as error:
            # Not after an answer that was good, but for something else than was sent.
            was_refused = isinstance(error, PreconditionFailed) or code_of(error) != ""
            there = await self._there_all_the_same(file, known) if was_refused else None
            if there is None:
                raise
            written = there
        return Registered(
            key=file.key,
            path=str(file.path),
            size_bytes=file.size_bytes,
            outcome="uploaded" if found is None else "replaced",
            etag=written.etag,
            version_id=written.version_id,
            sha256=known.whole.hex,
            checksum=written.sha256,
            tags=tags,
        )

    async def _there_all_the_same(self, file: LocalFile, known: Fingerprint) -> Written | None:
        """What is there after a failure, if it is the file.

        A write whose answer was lost is tried again, and then refused because of itself; and who
        uploads the same with the same upload may be faster, and leave no upload for the others.
        """
        with suppress(StorageError):
            now = await head(self._client, file.key)
            if now is not None and await asyncio.to_thread(holds_same, file, known, now):
                return Written(now.etag, now.version_id, now.checksums.get("sha256"))
        return None

    async def _unchanged(self, file: LocalFile, known: Fingerprint, found: Found) -> Registered:
        """It is there already; only its tags may still have to be set."""
        rules, tags = self._rules, None
        if rules.tags and not rules.dry_run:
            tags = await with_tags(self._client, file.key, rules.tags, found.tag_count)
        if len(known.parts) > 1 and not rules.dry_run:
            await asyncio.to_thread(self._notes.remove, file.key)
        self._advance(file.size_bytes)
        return Registered(
            key=file.key,
            path=str(file.path),
            size_bytes=file.size_bytes,
            outcome="unchanged",
            etag=found.etag,
            version_id=found.version_id,
            sha256=known.whole.hex,
            checksum=found.checksums.get("sha256"),
            tags=tags,
        )

    def _part_bytes(self, file: LocalFile) -> int:
        least = -(-file.size_bytes // _MOST_PARTS)
        return max(self._rules.part_bytes, -(-least // _MIB) * _MIB)


def unusable_row(one: Unusable) -> Registered:
    """The row of something that cannot be uploaded."""
    return Registered(one.key, str(one.path), 0, "failed", error=one.error, detail=one.detail)


def _pinned(file: LocalFile, version: str) -> Registered:
    detail = f"What is there is a member of {version}; --break-versions replaces it all the same."
    return Registered(
        file.key, str(file.path), file.size_bytes, "failed", error="pinned", detail=detail
    )


def _exists(file: LocalFile) -> Registered:
    detail = "There is another object of this key; --overwrite replaces it."
    return Registered(
        file.key, str(file.path), file.size_bytes, "failed", error="exists", detail=detail
    )
