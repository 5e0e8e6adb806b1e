"""Reading the tags of many objects from S3 into the table `tags`: one request for each object.

It may be killed anywhere: what was read by then is in the table, and the next time the others are
read. A tag that S3 does not have any more becomes a row without a value.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TAGS
from s3pipelines.core.datasets.members import select_members
from s3pipelines.core.datasets.registered import word_of
from s3pipelines.core.datasets.states import source_state
from s3pipelines.core.datasets.workers import OF_ALL_OBJECTS, work_through
from s3pipelines.core.errors import StorageError
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place
from s3pipelines.core.storage.verbs.tags import get_tags
from s3pipelines.core.tags.due import ALL_READ, Due, due_objects

_REQUESTS_AT_A_TIME = 64
_COMMIT_OBJECTS = 5000


@dataclass(frozen=True)
class NotRead:
    """An object whose tags were not read: why, in one word and in a sentence."""

    key: str
    error: str
    detail: str


@dataclass
class TagRefresh:
    """What came of it.

    Attributes:
        due: Of how many objects the tags were to be read.
        read: Of how many they were.
        tagged: How many of these have tags.
        changed: How many have others than the table had.
        failed: Those that could not be read; they are tried again the next time.
    """

    source_id: str
    due: int = 0
    read: int = 0
    tagged: int = 0
    changed: int = 0
    failed: list[NotRead] = field(default_factory=list)


def refresh_tags(
    catalog: Catalog,
    source_id: str,
    selection: Selection | None = None,
    *,
    older_than: timedelta | None = None,
    progress: Callable[[int, int], object] = lambda _done, _due: None,
) -> TagRefresh:
    """Read the tags of objects whose tags were never read in the state in which they are now.

    Args:
        catalog: Where the index and the table are.
        source_id: A registered source.
        selection: Which of its objects.
        older_than: Also those whose tags were read longer ago than this; zero: all.
        progress: Is told how many are done, and of how many.

    Raises:
        NotFound: There is no such source.
        InvalidInput: The selection is wrong.
        StorageError: The bucket, or the catalog, cannot be used at all.
    """
    source = get_source(catalog, source_id)
    state, done = source_state(catalog, source_id), TagRefresh(source_id)
    place = bucket_place(source.access(catalog.access), source.bucket)
    with (
        select_members(catalog, state, selection or Selection()) as members,
        due_objects(catalog, source_id, members, older_than) as due,
        LoopThread() as loop,
    ):
        done.due = due.objects
        if not due.objects:
            return done
        work = _Work(catalog, done, progress)
        try:
            client = BucketClient(place, most_in_flight=_REQUESTS_AT_A_TIME)
            loop.run(work.run(client, iter(due)))
        finally:
            # Also when it is interrupted: what was read is known.
            work.write()
    return done


class _Work:
    def __init__(
        self, catalog: Catalog, done: TagRefresh, progress: Callable[[int, int], object]
    ) -> None:
        self._catalog = catalog
        self._done = done
        self._progress = progress
        self._rows: list[dict[str, Any]] = []
        self._unwritten = 0
        self._writing = asyncio.Lock()

    async def run(self, client: BucketClient, due: Iterator[Due]) -> None:
        async with client:
            self._client = client
            await work_through(due, self._read, _REQUESTS_AT_A_TIME)

    def write(self) -> None:
        """Write what was read.

        Raises:
            StorageError: The catalog cannot be written.
        """
        some = list(self._rows)
        append_rows(self._catalog, TAGS, some)
        del self._rows[: len(some)]

    async def _read(self, due: Due) -> None:
        done = self._done
        try:
            tags = await get_tags(self._client, due.key, due.version_id)
        except OF_ALL_OBJECTS:
            raise
        except StorageError as error:
            done.failed.append(NotRead(due.key, word_of(error), str(error)))
        else:
            done.read += 1
            done.tagged += bool(tags)
            done.changed += tags != due.known
            self._rows += rows_of(done.source_id, due, tags)
            self._unwritten += 1
        self._progress(done.read + len(done.failed), done.due)
        if self._unwritten >= _COMMIT_OBJECTS:
            self._unwritten = 0
            async with self._writing:
                await asyncio.to_thread(self.write)


def rows_of(source_id: str, due: Due, tags: dict[str, str]) -> list[dict[str, Any]]:
    """The rows that bring the table up to date with the tags of an object."""
    changed: dict[str, str | None] = {ALL_READ: None}
    changed |= {name: value for name, value in tags.items() if due.known.get(name) != value}
    changed |= dict.fromkeys(due.known.keys() - tags.keys())
    now = datetime.now(UTC)
    return [
        {
            "source": source_id,
            "key": due.key,
            "etag": due.etag,
            "name": name,
            "value": value,
            "tagged_at": now,
        }
        for name, value in changed.items()
    ]
