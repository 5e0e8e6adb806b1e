"""What the contract is tried with: verbs on a bucket of the server that a test is about."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place

Ask = Callable[[Callable[[BucketClient], Awaitable[Any]]], Any]


@pytest.fixture
def ask(bucket: str) -> Ask:
    """Use a verb on the bucket of the test, and return what it gives."""

    def run(use: Callable[[BucketClient], Awaitable[Any]]) -> Any:
        async def work() -> Any:
            async with BucketClient(bucket_place(Access(), bucket), most_in_flight=8) as client:
                return await use(client)

        with LoopThread() as loop:
            return loop.run(work())

    return run


@pytest.fixture
def versions(request: pytest.FixtureRequest, s3, bucket: str) -> bool:
    """Whether the bucket keeps versions; no, unless a test is `in_both_kinds_of_buckets`."""
    keeps = getattr(request, "param", False)
    if keeps:
        enabled = {"Status": "Enabled"}
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=enabled)
    return keeps
