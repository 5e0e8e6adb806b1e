"""Emptying a bucket and removing it: to be killed at any time, and repeated."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from s3pipelines.core.buckets.contents import is_empty
from s3pipelines.core.errors import InvalidInput, StorageError
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.bucket_admin import remove_bucket
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place
from s3pipelines.core.storage.unfinished import Uploads
from s3pipelines.core.storage.verbs.all_versions import version_pages
from s3pipelines.core.storage.verbs.delete import Deleted, Doomed, delete_many

# Each deletes up to a thousand versions.
_REQUESTS_IN_FLIGHT = 8
# What was written while the bucket was being emptied is found by another round.
_MOST_ROUNDS = 3
_FAILURES_TOLD = 5


@dataclass
class Removal:
    """What became of a bucket.

    Attributes:
        bucket: Its name.
        versions: Versions and delete markers that were deleted.
        uploads: Unfinished uploads that were called off.
        failed: Versions, markers and uploads that are still there.
        failures: Some of them, each with the reason.
        removed: The bucket is gone.
    """

    bucket: str
    versions: int = 0
    uploads: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    removed: bool = False


def require_deletable(access: Access, bucket: str, *, with_contents: bool) -> None:
    """Make sure that a bucket with something in it is not removed by accident.

    Raises:
        InvalidInput: It is not empty, and that was not said.
        NoSuchBucket: There is no such bucket.
        StorageError: It cannot be listed.
    """
    if is_empty(access, bucket) or with_contents:
        return
    raise InvalidInput(
        f"s3://{bucket} is not empty.",
        hint="Add --with-contents to see what would go with it, and to delete that, too.",
    )


def delete_bucket(
    access: Access,
    bucket: str,
    *,
    with_contents: bool,
    progress: Callable[[int], object] = lambda _: None,
) -> Removal:
    """Delete every version, delete marker and unfinished upload of a bucket, then the bucket.

    What cannot be deleted (as Object Lock holds it, say) stops nothing else; the bucket stays then.
    Killed, it is to be run again.

    Args:
        access: How to reach it.
        bucket: Its name.
        with_contents: Whether to empty it; otherwise S3 refuses to remove what is not empty.
        progress: Is told how many versions were deleted so far.

    Raises:
        NoSuchBucket: There is no such bucket.
        StorageError: It cannot be listed or removed.
    """
    removal = Removal(bucket)
    if with_contents:
        with LoopThread() as loop:
            loop.run(_empty(access, removal, progress))
        _abort_uploads(access, removal)
    if not removal.failed:
        remove_bucket(access, bucket)
        removal.removed = True
    return removal


async def _empty(access: Access, removal: Removal, progress: Callable[[int], object]) -> None:
    place = bucket_place(access, removal.bucket)
    async with BucketClient(place, most_in_flight=_REQUESTS_IN_FLIGHT) as client:
        for _ in range(_MOST_ROUNDS):
            removal.failed, removal.failures = 0, []
            before = removal.versions
            await _delete_all(client, removal, progress)
            # Nothing was there, or only what cannot be deleted.
            if removal.versions == before:
                return


async def _delete_all(
    client: BucketClient, removal: Removal, progress: Callable[[int], object]
) -> None:
    """List and delete side by side: a page that was listed may be deleted before the next one."""
    under_way: set[asyncio.Task[list[Deleted]]] = set()
    try:
        async for page in version_pages(client):
            doomed = [Doomed(version.key, version.version_id) for version in page]
            under_way.add(asyncio.create_task(delete_many(client, doomed)))
            if len(under_way) >= _REQUESTS_IN_FLIGHT:
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                _note(removal, done)
                progress(removal.versions)
        while under_way:
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            _note(removal, done)
            progress(removal.versions)
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


def _note(removal: Removal, done: set[asyncio.Task[list[Deleted]]]) -> None:
    for task in done:
        for deleted in task.result():
            if deleted.error is None:
                removal.versions += 1
            else:
                _fail(removal, deleted.doomed.key, deleted.error)


def _fail(removal: Removal, key: str, error: StorageError) -> None:
    removal.failed += 1
    if len(removal.failures) < _FAILURES_TOLD:
        removal.failures.append(f"{key}: {error}")


def _abort_uploads(access: Access, removal: Removal) -> None:
    uploads = Uploads(access, removal.bucket)
    for upload in uploads.list():
        try:
            uploads.abort(upload.key, upload.upload_id)
        except StorageError as error:
            _fail(removal, upload.key, error)
        else:
            removal.uploads += 1
