"""Registering files and objects in a source: uploaded if they are not there, and written down."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.absence import Absence
from s3pipelines.core.datasets.existing_objects import register_object
from s3pipelines.core.datasets.file_uploads import (
    FILES_AT_A_TIME,
    PART_BYTES,
    REQUESTS_AT_A_TIME,
    FileUploads,
    Rules,
    unusable_row,
)
from s3pipelines.core.datasets.local_files import LocalFile, find_files, folder_below
from s3pipelines.core.datasets.object_tags import refuse_bad_tags
from s3pipelines.core.datasets.pins import pinned_members, versions_in
from s3pipelines.core.datasets.progress import Progress
from s3pipelines.core.datasets.recording import Recorder
from s3pipelines.core.datasets.registered import Registered, Registration, failed_row, word_of
from s3pipelines.core.datasets.upload_notes import UploadNotes
from s3pipelines.core.datasets.workers import OF_ALL_OBJECTS, work_through
from s3pipelines.core.errors import InvalidInput, StorageError
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sources.scope import Scope
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place


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
    prefix = source.prefix + folder_below(wanted.below)
    files, unusable = (
        find_files(prefix, wanted.paths, Scope(source).holds) if wanted.paths else ([], [])
    )
    progress = progress or Progress()
    progress.begin(sum(file.size_bytes for file in files))
    recorder, access = Recorder(catalog, source), source.access(catalog.access)
    place, pinned = bucket_place(access, source.bucket), dict[tuple[str, str], str]()
    if wanted.overwrite and not wanted.break_versions:
        versions = versions_in(catalog, source.bucket, access)
        pinned = pinned_members(catalog, versions, [file.key for file in files])
    work = _Work(catalog, source, wanted, progress, recorder, pinned)
    work.done.files += map(unusable_row, unusable)
    try:
        with LoopThread() as loop:
            loop.run(work.run(BucketClient(place, most_in_flight=REQUESTS_AT_A_TIME), files, keys))
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
        self._rules = Rules(
            wanted.tags, wanted.overwrite, wanted.dry_run, wanted.part_bytes, pinned
        )
        self._writing = asyncio.Lock()

    async def run(
        self, client: BucketClient, files: Sequence[LocalFile], keys: Sequence[str]
    ) -> None:
        async with client:
            self._client = client
            absence = Absence(client, [file.key for file in files])
            self._uploads = FileUploads(client, self._rules, self._notes, absence, self._advance)
            upcoming: Iterator[LocalFile | str] = iter([*keys, *files])
            await work_through(upcoming, self._register, FILES_AT_A_TIME)

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
        return await self._uploads.upload(one)


def _failed(one: LocalFile | str, error: StorageError) -> Registered:
    if isinstance(one, str):
        return Registered(one, None, 0, "failed", error=word_of(error), detail=str(error))
    return failed_row(one, error)
