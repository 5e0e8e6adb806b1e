"""Uploads in parts that nobody goes on with: found, and called off.

An upload is as old as its latest part: one that something still sends to is never abandoned,
however long ago it was begun. Ages are by the server's clock.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from s3pipelines.core.buckets.uses import sources_in
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.durations import duration_text
from s3pipelines.core.errors import Gone, InvalidInput, StorageError
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.unfinished import Unfinished, Uploads

S = TypeVar("S")
T = TypeVar("T")
# A part of 5 GiB that arrives at 1.5 MB/s takes so long, and only then shows.
LEAST_AGE_S = 3600
USUAL_AGE_S = 7 * 24 * 3600
_AT_A_TIME = 16
_FAILURES_TOLD = 5


@dataclass(frozen=True)
class OpenUpload:
    """An upload that was begun and is not finished.

    Attributes:
        upload: Its key and id, and when it was begun.
        parts: How many parts have arrived.
        size_bytes: What they take.
        idle_s: How long nothing has arrived.
    """

    upload: Unfinished
    parts: int
    size_bytes: int
    idle_s: float


@dataclass
class Reaped:
    """What became of abandoned uploads.

    Attributes:
        aborted: Called off.
        freed_bytes: What their parts took.
        resumed: Left alone, as something arrived or they ended meanwhile.
        failed: Still there.
        failures: Some of these, each with the reason.
    """

    aborted: int = 0
    freed_bytes: int = 0
    resumed: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)


def check_age_s(older_than_s: float) -> float:
    """An age from which on an upload may count as abandoned.

    Raises:
        InvalidInput: It is so little that an upload in progress could be of that age.
    """
    if older_than_s < LEAST_AGE_S:
        raise InvalidInput(
            f"Within {duration_text(older_than_s)}, an upload may well be in progress.",
            hint=f"Name at least {duration_text(LEAST_AGE_S)}; 7d is usual.",
        )
    return older_than_s


def open_uploads(
    access: Access, bucket: str, prefix: str = "", *, idle_for_s: float = 0
) -> Iterator[OpenUpload]:
    """The unfinished uploads of a bucket or folder for which nothing has arrived for so long.

    Raises:
        StorageError: They cannot be listed.
    """
    uploads = Uploads(access, bucket)
    old_enough = (one for one in uploads.list(prefix) if one.age_s >= idle_for_s)
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        for found in _mapped(pool, lambda one: _look_into(uploads, one), old_enough):
            if found is not None and found.idle_s >= idle_for_s:
                yield found


def abort_uploads(
    access: Access,
    bucket: str,
    found: Iterable[OpenUpload],
    *,
    idle_for_s: float,
    progress: Callable[[int], object] = lambda _: None,
) -> Reaped:
    """Call uploads off, each after another look at it; one that fails stops no other.

    Args:
        access: How to reach the bucket.
        bucket: Its name.
        found: What `open_uploads` found.
        idle_for_s: Those for which something arrived since are left alone.
        progress: Is told how many were worked on.
    """
    uploads, reaped = Uploads(access, bucket), Reaped()
    with ThreadPoolExecutor(_AT_A_TIME) as pool:

        def one(upload: Unfinished) -> tuple[Unfinished, OpenUpload | StorageError | None]:
            return upload, _abort(uploads, upload, idle_for_s)

        endings = _mapped(pool, one, (each.upload for each in found))
        for number, (upload, ending) in enumerate(endings, start=1):
            _note(reaped, upload, ending)
            progress(number)
    return reaped


def without_read_only(
    catalog: Catalog, access: Access, bucket: str, found: Iterable[OpenUpload]
) -> tuple[list[OpenUpload], list[OpenUpload]]:
    """The uploads that may be called off, and those in sources that are read-only."""
    kept = tuple(s.prefix for s in sources_in(catalog, access, bucket) if s.read_only)
    ours: list[OpenUpload] = []
    theirs: list[OpenUpload] = []
    for one in found:
        (theirs if kept and one.upload.key.startswith(kept) else ours).append(one)
    return ours, theirs


def _mapped(pool: ThreadPoolExecutor, work: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """As `pool.map`, which would take all items at once; a listing may have millions."""
    waiting: deque[Future[T]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= 2 * _AT_A_TIME:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _look_into(uploads: Uploads, upload: Unfinished) -> OpenUpload | None:
    """What has arrived of an upload; None if it has ended."""
    try:
        parts = list(uploads.parts(upload.key, upload.upload_id))
    except Gone:
        return None
    idle_s = min([upload.age_s, *(part.age_s for part in parts)])
    return OpenUpload(upload, len(parts), sum(part.size_bytes for part in parts), idle_s)


def _abort(
    uploads: Uploads, upload: Unfinished, idle_for_s: float
) -> OpenUpload | StorageError | None:
    try:
        now = _look_into(uploads, upload)
        if now is None or now.idle_s < idle_for_s:
            return None
        return now if uploads.abort(upload.key, upload.upload_id) else None
    except StorageError as error:
        return error


def _note(reaped: Reaped, upload: Unfinished, ending: OpenUpload | StorageError | None) -> None:
    if ending is None:
        reaped.resumed += 1
    elif isinstance(ending, OpenUpload):
        reaped.aborted += 1
        reaped.freed_bytes += ending.size_bytes
    else:
        reaped.failed += 1
        if len(reaped.failures) < _FAILURES_TOLD:
            reaped.failures.append(f"{upload.key}: {ending}")
