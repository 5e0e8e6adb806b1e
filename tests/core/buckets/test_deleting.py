"""A bucket whose deletion is killed half-way, and one that is written to meanwhile."""

import subprocess
import sys

import pytest

from s3pipelines.core.buckets.contents import survey
from s3pipelines.core.buckets.deleting import delete_bucket
from s3pipelines.core.errors import NoSuchBucket, StorageError
from s3pipelines.core.storage.access import Access

_KILLED_AT_ONCE = """
import os, sys
from s3pipelines.core.buckets.deleting import delete_bucket
from s3pipelines.core.storage.access import Access
delete_bucket(Access(), sys.argv[1], with_contents=True, progress=lambda _: os._exit(9))
"""


@pytest.mark.slow
def test_a_deletion_that_was_killed_goes_on_when_it_is_repeated(s3, bucket: str, put_objects):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put_objects(*(f"{n:04d}" for n in range(1100)))
    s3.create_multipart_upload(Bucket=bucket, Key="never finished")

    killed = subprocess.run([sys.executable, "-c", _KILLED_AT_ONCE, bucket], check=False)

    assert killed.returncode == 9
    left = survey(Access(), bucket)
    assert 0 < left.objects <= 1100
    removal = delete_bucket(Access(), bucket, with_contents=True)
    assert removal.removed
    with pytest.raises(NoSuchBucket):
        delete_bucket(Access(), bucket, with_contents=True)


def test_what_comes_while_a_bucket_is_emptied_goes_too(s3, bucket: str, put_objects):
    put_objects("a")
    later = iter(["b", "c"])

    def write(_: int) -> None:
        put_objects(*[key for key in [next(later, None)] if key])

    removal = delete_bucket(Access(), bucket, with_contents=True, progress=write)

    assert (removal.removed, removal.versions) == (True, 3)


def test_without_its_contents_a_bucket_in_use_stays(s3, bucket: str, put_objects):
    put_objects("a")

    with pytest.raises(StorageError, match="is not empty"):
        delete_bucket(Access(), bucket, with_contents=False)
