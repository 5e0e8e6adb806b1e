"""The verbs of batch operations by themselves: no plan, no outcomes, only requests."""

import asyncio
import time
from typing import Any

import uvloop

from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.places import bucket_place
from s3pipelines.core.storage.listing.serial import list_pages
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.verbs.copy import copy
from s3pipelines.core.storage.verbs.delete import MOST_AT_ONCE, Doomed, delete_many
from s3pipelines.core.storage.verbs.values import Origin, Writing

_IN_FLIGHT = 256
_DELETIONS_IN_FLIGHT = 4


def copy_all(source: str, target: str) -> dict[str, Any]:
    """List a bucket and copy each object to another, bound to its ETag."""
    listed = _listed(source)
    began = time.monotonic()
    uvloop.run(_copy_all(source, target, listed))
    return {"objects": len(listed), "work_s": time.monotonic() - began}


def delete_all(bucket: str) -> dict[str, Any]:
    """List a bucket and delete every object."""
    doomed = [Doomed(key) for key, _ in _listed(bucket)]
    began = time.monotonic()
    uvloop.run(_delete_all(bucket, doomed))
    return {"objects": len(doomed), "work_s": time.monotonic() - began}


def count_keys(bucket: str) -> dict[str, Any]:
    """How many objects a bucket has."""
    return {"objects": len(_listed(bucket))}


def _listed(bucket: str) -> list[tuple[str, str]]:
    pages = [page.objects for page in list_pages(Access(), S3Location(bucket, ""))]
    return [
        pair
        for page in pages
        for pair in zip(page["key"].to_pylist(), page["etag"].to_pylist(), strict=True)
    ]


async def _copy_all(source: str, target: str, listed: list[tuple[str, str]]) -> None:
    upcoming = iter(listed)
    async with BucketClient(bucket_place(Access(), target), most_in_flight=_IN_FLIGHT) as client:

        async def copies() -> None:
            for key, etag in upcoming:
                await copy(client, key, Origin(source, key, etag), Writing())

        await asyncio.gather(*(copies() for _ in range(_IN_FLIGHT)))


async def _delete_all(bucket: str, doomed: list[Doomed]) -> None:
    starts = iter(range(0, len(doomed), MOST_AT_ONCE))
    place = bucket_place(Access(), bucket)
    async with BucketClient(place, most_in_flight=_DELETIONS_IN_FLIGHT) as client:

        async def deletions() -> None:
            for start in starts:
                for one in await delete_many(client, doomed[start : start + MOST_AT_ONCE]):
                    if one.error is not None:
                        raise one.error

        await asyncio.gather(*(deletions() for _ in range(_DELETIONS_IN_FLIGHT)))
