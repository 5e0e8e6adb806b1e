"""Downloading the objects of a source, or of a version of it, as a tree of files, all proven.

It may be killed anywhere and repeated: files that are whole are not asked for again, and of others
only the ranges that are missing.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.audited import audited_sums
from s3pipelines.core.datasets.download_state import DownloadState
from s3pipelines.core.datasets.fetching import Fetched, Fetcher, WrongBytes
from s3pipelines.core.datasets.members import Member, Members, select_members
from s3pipelines.core.datasets.naming import Naming, named_as_keys
from s3pipelines.core.datasets.originals import covered_version, no_longer
from s3pipelines.core.datasets.placing import Places, There
from s3pipelines.core.datasets.progress import Progress
from s3pipelines.core.datasets.registered import word_of
from s3pipelines.core.datasets.room import MemoryRoom
from s3pipelines.core.datasets.states import SourceState, source_state
from s3pipelines.core.datasets.workers import OF_ALL_OBJECTS, work_through
from s3pipelines.core.errors import Gone, PreconditionFailed, StorageError
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place

_MIB = 1024 * 1024
RANGE_BYTES = 8 * _MIB
_FILES_AT_A_TIME = 128
_REQUESTS_AT_A_TIME = 128
_MOST_IN_MEMORY = 128 * _MIB


@dataclass(frozen=True)
class Wanted:
    """What is to be downloaded.

    Attributes:
        name: The source, or `ID@VERSION`.
        folder: Where to.
        selection: Which of its objects.
        overwrite: Replace files that no download has left there.
        range_bytes: What is larger is fetched in ranges of this size.
        naming: Which path each object has in the folder.
    """

    name: str
    folder: Path
    selection: Selection = field(default_factory=Selection)
    overwrite: bool = False
    range_bytes: int = RANGE_BYTES
    naming: Naming = named_as_keys


@dataclass(frozen=True)
class NotDownloaded:
    """An object that was not downloaded: why, in one word and in a sentence."""

    key: str
    error: str
    detail: str


@dataclass
class Download:
    """What became of the selected objects.

    Attributes:
        downloaded: Files that were fetched.
        unchanged: Files that were there already.
        unproven: Of those that were fetched, the ones of which nothing but the size was known.
        fetched_bytes: Size of what was fetched.
    """

    name: str
    folder: Path
    downloaded: int = 0
    unchanged: int = 0
    unproven: int = 0
    fetched_bytes: int = 0
    failed: list[NotDownloaded] = field(default_factory=list)


def download(catalog: Catalog, wanted: Wanted, progress: Progress | None = None) -> Download:
    """Download the selected objects; each file is there whole, or not at all.

    Raises:
        NotFound: There is no such source, or version of it.
        InvalidInput: The selection is wrong, or the folder cannot be written.
        Busy: Another process downloads into the folder.
        StorageError: The bucket, or the catalog, cannot be used at all.
    """
    state = source_state(catalog, wanted.name)
    with (
        select_members(catalog, state, wanted.selection) as members,
        DownloadState(wanted.folder) as kept,
    ):
        return download_members(catalog, state, members, kept, wanted, progress)


def download_members(
    catalog: Catalog,
    state: SourceState,
    members: Members,
    kept: DownloadState,
    wanted: Wanted,
    progress: Progress | None = None,
) -> Download:
    """Download objects that were selected before, into a folder whose state is open.

    Raises:
        StorageError: The bucket, or the catalog, cannot be used at all.
    """
    done, progress = Download(wanted.name, wanted.folder), progress or Progress()
    place = bucket_place(state.source.access(catalog.access), state.source.bucket)
    with LoopThread() as loop:
        progress.begin(members.size_bytes)
        client = BucketClient(place, most_in_flight=_REQUESTS_AT_A_TIME)
        sums = audited_sums(catalog, state.source.id, members)
        work = _Work(state, wanted, kept, sums, done, progress.advance)
        loop.run(work.run(client, members))
    return done


class _Work:
    def __init__(
        self,
        state: SourceState,
        wanted: Wanted,
        kept: DownloadState,
        sums: dict[tuple[str, str], str],
        done: Download,
        advance: Callable[[int], object],
    ) -> None:
        self._state = state
        self._wanted = wanted
        self._kept = kept
        self._sums = sums
        self._done = done
        self._advance = advance
        self._places = Places(kept)

    async def run(self, client: BucketClient, members: Members) -> None:
        room = MemoryRoom(_MOST_IN_MEMORY)
        async with client:
            self._client = client
            self._fetcher = Fetcher(
                client,
                self._kept,
                self._places.place,
                room,
                self._advance,
                self._wanted.range_bytes,
            )
            await work_through(self._with_places(members), self._download, _FILES_AT_A_TIME)

    def _with_places(self, members: Members) -> Iterator[Member]:
        """The members that have a place of their own; the others fail."""
        folder_bytes = len(os.fsencode(self._wanted.folder.resolve()))

        def placed() -> Iterator[Member]:
            for member, why in self._wanted.naming(members, folder_bytes):
                if why is None:
                    yield member
                else:
                    self._fail(member, why.error, why.detail)

        return placed()

    async def _download(self, member: Member) -> None:
        try:
            await self._downloaded(member)
        except OF_ALL_OBJECTS:
            raise
        except WrongBytes as error:
            self._fail(member, "wrong_bytes", str(error))
        except StorageError as error:
            self._fail(member, word_of(error), str(error))

    async def _downloaded(self, member: Member) -> None:
        sha256 = self._sums.get((member.key, member.etag))
        there: There = "nothing"
        if self._places.is_taken(member):
            there = await asyncio.to_thread(self._places.look, member, sha256)
        if there == "same":
            self._done.unchanged += 1
            self._advance(member.size_bytes)
            return
        if there == "other" and not self._wanted.overwrite:
            self._fail(member, "exists", "Another file is there; --overwrite replaces it.")
            return
        fetched = await self._fetched(member, sha256)
        self._done.downloaded += 1
        self._done.fetched_bytes += member.size_bytes
        self._done.unproven += fetched.proofs == ("size",)

    async def _fetched(self, member: Member, sha256: str | None) -> Fetched:
        try:
            return await self._twice(member, None, sha256)
        except (PreconditionFailed, Gone) as error:
            if self._state.version is None:
                raise
            version_id = member.version_id or await covered_version(self._client, member)
            if version_id is None:
                raise no_longer(member, error, self._state.name) from error
        return await self._twice(member, version_id, sha256)

    async def _twice(self, member: Member, version_id: str | None, sha256: str | None) -> Fetched:
        """Fetch; once more if what arrived was wrong, as ranges of an earlier process may be."""
        try:
            return await self._fetcher.fetch(member, version_id, sha256)
        except WrongBytes:
            return await self._fetcher.fetch(member, version_id, sha256)

    def _fail(self, member: Member, error: str, detail: str) -> None:
        self._done.failed.append(NotDownloaded(member.key, error, detail))
        self._advance(member.size_bytes)
