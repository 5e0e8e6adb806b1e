"""What is in a bucket: every version, delete marker and unfinished upload."""

from collections.abc import Callable
from dataclasses import dataclass, field

from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place
from s3pipelines.core.storage.unfinished import Uploads
from s3pipelines.core.storage.verbs.all_versions import version_pages

SAMPLES = 5
Progress = Callable[[int], object]


@dataclass
class Contents:
    """Counts of what a bucket holds.

    Attributes:
        objects: Keys that hold something now.
        old_versions: What they held before, and what deleted keys held.
        delete_markers: What hides deleted keys.
        size_bytes: Of objects and old versions together.
        uploads: Unfinished multipart uploads.
        samples: The first few keys.
    """

    objects: int = 0
    old_versions: int = 0
    delete_markers: int = 0
    size_bytes: int = 0
    uploads: int = 0
    samples: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Nothing is there."""
        return not (self.objects or self.old_versions or self.delete_markers or self.uploads)


def is_empty(access: Access, bucket: str) -> bool:
    """Tell whether a bucket holds nothing at all, with two requests.

    Raises:
        StorageError: It cannot be listed.
    """
    with LoopThread() as loop:
        if not loop.run(_holds_no_version(access, bucket)):
            return False
    return not any(Uploads(access, bucket).list(most=1))


def survey(access: Access, bucket: str, progress: Progress = lambda _: None) -> Contents:
    """Count what a bucket holds, by listing all of it.

    Raises:
        StorageError: It cannot be listed.
    """
    with LoopThread() as loop:
        found = loop.run(_survey(access, bucket, progress))
    found.uploads = sum(1 for _ in Uploads(access, bucket).list())
    return found


async def _holds_no_version(access: Access, bucket: str) -> bool:
    async with BucketClient(bucket_place(access, bucket), most_in_flight=1) as client:
        async for page in version_pages(client, most=1):
            if page:
                return False
    return True


async def _survey(access: Access, bucket: str, progress: Progress) -> Contents:
    found, seen = Contents(), 0
    async with BucketClient(bucket_place(access, bucket), most_in_flight=1) as client:
        async for page in version_pages(client):
            for version in page:
                if version.is_delete_marker:
                    found.delete_markers += 1
                elif version.is_latest:
                    found.objects += 1
                else:
                    found.old_versions += 1
                found.size_bytes += version.size_bytes
                if len(found.samples) < SAMPLES and version.key not in found.samples:
                    found.samples.append(version.key)
            seen += len(page)
            progress(seen)
    return found
