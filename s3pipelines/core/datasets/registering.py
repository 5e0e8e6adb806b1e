"""Registering files: look what is there, send what is not, write down what was done.

Nothing is remembered but what S3 and the catalog hold. Whoever repeats a registration that was
killed finds what is complete by its checksum, and the parts of what is not by the upload's note.
"""

import asyncio
import mimetypes
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.existing_objects import register_object
from s3pipelines.core.datasets.fingerprints import Fingerprint, fingerprint, holds_same
from s3pipelines.core.datasets.local_files import LocalFile, Unusable, find_files
from s3pipelines.core.datasets.object_tags import refuse_bad_tags
from s3pipelines.core.datasets.pins import pinned_members, versions_in
from s3pipelines.core.datasets.progress import Progress
from s3pipelines.core.datasets.recording import Recorder
from s3pipelines.core.datasets.registered import Registered, Registration, word_of
from s3pipelines.core.datasets.room import MemoryRoom
from s3pipelines.core.datasets.sending import Parcel, Sender, headers_of
from s3pipelines.core.datasets.tagging import with_tags
from s3pipelines.core.datasets.upload_notes import UploadNotes
from s3pipelines.core.datasets.workers import OF_ALL_OBJECTS, work_through
from s3pipelines.core.errors import InvalidInput, PreconditionFailed, StorageError
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.failures import code_of
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.uploads import Written
from s3pipelines.core.storage.verbs.values import Found

_MIB = 1024 * 1024
PART_BYTES = 16 * _MIB
_MOST_PARTS = 10_000
_FILES_AT_A_TIME = 64
_REQUESTS_AT_A_TIME = 64
_MOST_IN_MEMORY = 256 * _MIB


@dataclass(frozen=True)
class Wanted:
    """What is to be registered.

    Attributes:
        source_id: Where.
        paths: Local files and folders.
        existing: `s3://bucket/key` of objects that are there already.
        tags: Tags that all of them get.
        below: A folder below the source's prefix for the files.
        overwrite: Replace an object of the same key that holds something else.
        break_versions: Also where it is a member of a version of a source.
        dry_run: Only look.
        part_bytes: What is larger goes in parts of this size.
    """

    source_id: str
    paths: Sequence[str | Path] = ()
    existing: Sequence[str] = ()
    tags: dict[str, str] = field(default_factory=dict)
    below: str = ""
    overwrite: bool = False
    break_versions: bool = False
    dry_run: bool = False
    part_bytes: int = PART_BYTES


def register(catalog: Catalog, wanted: Wanted, progress: Progress | None = None) -> Registration:
    """Upload files below a source's prefix, and take in objects that lie there already.

    It may be killed anywhere and repeated: what is complete is not sent again, nor are the parts of
    what is not. Keys are hinted at in the ledger; `apply_changes` brings the index up to date.

    Raises:
        NotFound: There is no such source.
        InvalidInput: The source is read-only, a path or tag is wrong, or there is nothing to do;
            nothing was changed.
        StorageError: The bucket, or the catalog, cannot be used at all.
    """
    source = get_source(catalog, wanted.source_id)
    if wanted.paths or wanted.tags:
        _refuse_read_only(source)
    refuse_bad_tags(wanted.tags)
    if not wanted.paths and not wanted.existing:
        raise InvalidInput("There is nothing to register.", hint="Name files, or --existing.")
    keys = [_key_of_existing(source, uri) for uri in wanted.existing]
    files, unusable = find_files(source, wanted.paths, wanted.below) if wanted.paths else ([], [])
    progress = progress or Progress()
    progress.begin(sum(file.size_bytes for file in files))
    recorder, access = Recorder(catalog, source), source.access(catalog.access)
    place, pinned = bucket_place(access, source.bucket), dict[tuple[str, str], str]()
    if wanted.overwrite and not wanted.break_versions:
        versions = versions_in(catalog, source.bucket, access)
        pinned = pinned_members(catalog, versions, [file.key for file in files])
    work = _Work(catalog, source, wanted, progress, recorder, pinned)
    work.done.files += map(_unusable, unusable)
    try:
        with LoopThread() as loop:
            loop.run(work.run(BucketClient(place, most_in_flight=_REQUESTS_AT_A_TIME), files, keys))
    finally:
        # Also when it is interrupted: what was uploaded is known of.
        recorder.write()
    return work.done


def _refuse_read_only(source: Source) -> None:
    if source.read_only:
        raise InvalidInput(
            f"The source {source.id!r} is registered as read-only.",
            hint=f"Allow it with 's3pipelines sources update --id {source.id} --writable -m WHY'.",
        )


def _key_of_existing(source: Source, uri: str) -> str:
    bucket, separator, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not separator or not key or key.endswith("/"):
        raise InvalidInput(f"{uri!r} names no object.", hint="Write s3://BUCKET/KEY.")
    if bucket != source.bucket or not key.startswith(source.prefix):
        raise InvalidInput(
            f"{uri} does not lie in the source {source.id!r} ({source.location.uri}).",
            hint="Copy it there first (with 's3pipelines batch plan copy' or 'aws s3 cp'), or "
            "register the place where it lies as a source of its own.",
        )
    return key


def _unusable(one: Unusable) -> Registered:
    return Registered(one.key, str(one.path), 0, "failed", error=one.error, detail=one.detail)


class _Work:
    def __init__(
        self,
        catalog: Catalog,
        source: Source,
        wanted: Wanted,
        progress: Progress,
        recorder: Recorder,
        pinned: dict[tuple[str, str], str],
    ) -> None:
        self._source = source
        self._wanted = wanted
        self._advance = progress.advance
        self.done = Registration(source.id)
        self._recorder = recorder
        self._notes = UploadNotes(catalog, source.id)
        self._pinned = pinned
        self._writing = asyncio.Lock()

    async def run(
        self, client: BucketClient, files: Iterable[LocalFile], keys: Iterable[str]
    ) -> None:
        async with client:
            self._client = client
            self._sender = Sender(client, self._notes, MemoryRoom(_MOST_IN_MEMORY), self._advance)
            upcoming: Iterator[LocalFile | str] = iter([*keys, *files])
            await work_through(upcoming, self._register, _FILES_AT_A_TIME)

    async def _register(self, one: LocalFile | str) -> None:
        try:
            ended = await self._ended(one)
        except OF_ALL_OBJECTS:
            raise
        except StorageError as error:
            ended = _failed(one, error)
        self.done.files.append(ended)
        if not self._wanted.dry_run and self._recorder.take(ended):
            async with self._writing:
                await asyncio.to_thread(self._recorder.write)

    async def _ended(self, one: LocalFile | str) -> Registered:
        if isinstance(one, str):
            wanted = self._wanted
            return await register_object(
                self._client, self._source, one, wanted.tags, dry_run=wanted.dry_run
            )
        return await self._sent(one)

    async def _sent(self, file: LocalFile) -> Registered:
        found = await head(self._client, file.key)
        if found is not None and found.size_bytes != file.size_bytes and not self._wanted.overwrite:
            return _exists(file)
        known = await asyncio.to_thread(fingerprint, file, self._part_bytes(file))
        if found is not None:
            if await asyncio.to_thread(holds_same, file, known, found):
                return await self._unchanged(file, known, found)
            if not self._wanted.overwrite:
                return _exists(file)
            if (version := self._pinned.get((file.key, found.etag))) is not None:
                return _pinned(file, version)
        if self._wanted.dry_run:
            ended = "would_upload" if found is None else "would_replace"
            return Registered(file.key, str(file.path), file.size_bytes, ended)
        return await self._uploaded(file, known, found)

    async def _uploaded(
        self, file: LocalFile, known: Fingerprint, found: Found | None
    ) -> Registered:
        tags = self._wanted.tags
        content_type = mimetypes.guess_type(file.path.name)[0]
        headers = headers_of(known, content_type, tags)
        parcel = Parcel(file, known, headers, None if found is None else found.etag)
        try:
            written = await self._sender.send(parcel)
        except StorageError as error:
            # A write whose answer was lost is tried again, and then refused because of itself; or
            # somebody who registers the same was faster, with the same upload.
            was_overtaken = isinstance(error, PreconditionFailed)
            if not was_overtaken and code_of(error) != "NoSuchUpload":
                raise
            now = await head(self._client, file.key)
            if now is None or not await asyncio.to_thread(holds_same, file, known, now):
                raise
            written = Written(now.etag, now.version_id, now.checksums.get("sha256"))
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

    async def _unchanged(self, file: LocalFile, known: Fingerprint, found: Found) -> Registered:
        """It is there already; only its tags may still have to be set."""
        wanted, tags = self._wanted, None
        if wanted.tags and not wanted.dry_run:
            tags = await with_tags(self._client, file.key, wanted.tags, found.tag_count)
        if len(known.parts) > 1 and not wanted.dry_run:
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
        return max(self._wanted.part_bytes, -(-least // _MIB) * _MIB)


def _failed(one: LocalFile | str, error: StorageError) -> Registered:
    if isinstance(one, str):
        return Registered(one, None, 0, "failed", error=word_of(error), detail=str(error))
    path, size = str(one.path), one.size_bytes
    return Registered(one.key, path, size, "failed", error=word_of(error), detail=str(error))


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
