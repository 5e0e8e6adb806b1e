"""Uploading files to a place of a bucket, whether or not it lies in a source.

The sources that it lies in are told, so that their indexes follow without a listing.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from s3pipelines.core.buckets.keys import WriteGuard
from s3pipelines.core.buckets.uses import sources_in
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.absence import Absence
from s3pipelines.core.datasets.file_uploads import (
    FILES_AT_A_TIME,
    PART_BYTES,
    REQUESTS_AT_A_TIME,
    FileUploads,
    Rules,
    unusable_row,
)
from s3pipelines.core.datasets.local_files import LocalFile, find_files
from s3pipelines.core.datasets.object_tags import refuse_bad_tags
from s3pipelines.core.datasets.pins import pinned_members, versions_in
from s3pipelines.core.datasets.progress import Progress
from s3pipelines.core.datasets.recording import Recorder
from s3pipelines.core.datasets.registered import Registered, failed_row, how_many
from s3pipelines.core.datasets.upload_notes import UploadNotes
from s3pipelines.core.datasets.workers import OF_ALL_OBJECTS, work_through
from s3pipelines.core.errors import InvalidInput, StorageError
from s3pipelines.core.sources.scope import Scope
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place
from s3pipelines.core.storage.locations import S3Location, parse_s3_location


@dataclass(frozen=True)
class Upload:
    """What is to be uploaded.

    Attributes:
        to: `s3://bucket/folder/`.
        paths: Local files and folders.
        tags: Tags that all of them get.
        overwrite: Replace an object of the same key that holds something else.
        break_versions: Also where it is a member of a version of a source.
        dry_run: Only look.
        part_bytes: What is larger goes in parts of this size.
    """

    to: str
    paths: Sequence[str | Path]
    tags: dict[str, str] = field(default_factory=dict)
    overwrite: bool = False
    break_versions: bool = False
    dry_run: bool = False
    part_bytes: int = PART_BYTES


@dataclass
class Uploaded:
    """What became of the files.

    Attributes:
        to: Where they went.
        sources: The sources that were told.
        files: In the order in which they ended.
    """

    to: str
    sources: list[str]
    files: list[Registered] = field(default_factory=list)

    @property
    def failed(self) -> list[Registered]:
        """Those that failed."""
        return [one for one in self.files if one.outcome == "failed"]

    @property
    def counts(self) -> dict[str, int]:
        """How many ended how; without what is none."""
        return how_many(self.files)


def upload(catalog: Catalog, wanted: Upload, progress: Progress | None = None) -> Uploaded:
    """Upload files below a place of a bucket, which is reached as the catalog is.

    It may be killed anywhere and repeated: what is complete is not sent again, nor are the parts of
    what is not.

    Raises:
        InvalidInput: A path, tag or the place is wrong, or the place is not to be written;
            nothing was changed.
        StorageError: The bucket, or the catalog, cannot be used at all.
    """
    refuse_bad_tags(wanted.tags)
    location = _place_of(wanted.to)
    files, unusable = find_files(location.prefix, wanted.paths)
    guard = WriteGuard(catalog, catalog.access, location.bucket)
    for file in files:
        guard.require_writable(file.key)
    sources = sources_in(catalog, catalog.access, location.bucket)
    told = [one for one in sources if any(Scope(one).holds(file.key) for file in files)]
    done = Uploaded(location.uri, [one.id for one in told], list(map(unusable_row, unusable)))
    progress = progress or Progress()
    progress.begin(sum(file.size_bytes for file in files))
    pinned = dict[tuple[str, str], str]()
    if wanted.overwrite and not wanted.break_versions:
        versions = versions_in(catalog, location.bucket, catalog.access)
        pinned = pinned_members(catalog, versions, [file.key for file in files])
    rules = Rules(wanted.tags, wanted.overwrite, wanted.dry_run, wanted.part_bytes, pinned)
    work = _Work(catalog, location, rules, told, done, progress)
    client = BucketClient(
        bucket_place(catalog.access, location.bucket), most_in_flight=REQUESTS_AT_A_TIME
    )
    try:
        with LoopThread() as loop:
            loop.run(work.run(client, files))
    finally:
        # Also when it is interrupted: what was uploaded is known of.
        work.write()
    return done


class _Work:
    def __init__(
        self,
        catalog: Catalog,
        location: S3Location,
        rules: Rules,
        told: Sequence[Source],
        done: Uploaded,
        progress: Progress,
    ) -> None:
        # No source has an id that begins so.
        self._notes = UploadNotes(catalog, f"@{location.bucket}")
        self._rules = rules
        self._recorders = [(Scope(source), Recorder(catalog, source)) for source in told]
        self._done = done
        self._advance = progress.advance
        self._writing = asyncio.Lock()

    async def run(self, client: BucketClient, files: Sequence[LocalFile]) -> None:
        async with client:
            absence = Absence(client, [file.key for file in files])
            uploads = FileUploads(client, self._rules, self._notes, absence, self._advance)

            async def one(file: LocalFile) -> None:
                try:
                    ended = await uploads.upload(file)
                except OF_ALL_OBJECTS:
                    raise
                except StorageError as error:
                    ended = failed_row(file, error)
                await self._take(ended)

            upcoming: Iterator[LocalFile] = iter(files)
            await work_through(upcoming, one, FILES_AT_A_TIME)

    async def _take(self, ended: Registered) -> None:
        self._done.files.append(ended)
        if self._rules.dry_run or ended.key is None:
            return
        due = [
            recorder.take(ended)
            for scope, recorder in self._recorders
            if scope.holds(ended.key, ended.size_bytes)
        ]
        if any(due):
            async with self._writing:
                await asyncio.to_thread(self.write)

    def write(self) -> None:
        for _, recorder in self._recorders:
            recorder.write()


def _place_of(text: str) -> S3Location:
    location = parse_s3_location(text)
    last = text.rpartition("/")[2]
    if location.prefix and "." in last:
        raise InvalidInput(
            f"{text!r} looks like the key of an object, and files go into a folder.",
            hint=f"Write {text}/ if it is one, or the folder that it lies in.",
        )
    segments = location.prefix.split("/")[:-1]
    if any(segment in ("", ".", "..") for segment in segments):
        raise InvalidInput(
            f"{text!r} is no folder of a bucket.",
            hint="Write s3://BUCKET/a/b/, without '.' or '//'.",
        )
    return location
