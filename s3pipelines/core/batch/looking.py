"""What the objects of some keys are right now: by a listing where they lie close, else by HEADs.

A page of a listing tells the ETags and sizes of a thousand keys at the price of one request. It is
as true as a HEAD: S3 lists what was written before the request. So preconditions that a server does
not compare by itself cost a few requests per thousand objects, and not a thousand.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from s3pipelines.core.batch.outcomes import OF_ALL_OBJECTS
from s3pipelines.core.batch.rows import Precondition
from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.listing.asking import ask_page
from s3pipelines.core.storage.listing.pages import ListingPage, NotInOrder
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.verbs.head import head

# A page that has fewer of the keys than this costs more than it saves.
_LEAST_OF_A_PAGE = 20
_PAGE_ROWS = 1000
_LAST_CHARACTER = chr(0x10FFFF)
_SURROGATES, _BEFORE_SURROGATES = range(0xD800, 0xE000), 0xD7FF


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it was seen.

    Attributes:
        etag: Without quotes.
        size_bytes: Its size.
        by: How it was seen.
    """

    etag: str
    size_bytes: int
    by: Precondition


@dataclass(frozen=True)
class Looks:
    """What was seen, by key.

    S3 may refuse to tell of single objects: those of a folder that a policy denies, or that are
    encrypted with a key of their customer. That is no reason to leave the others.

    Attributes:
        seen: What each is; None where there is none.
        refused: Why nothing is known of the others.
    """

    seen: dict[str, Seen | None] = field(default_factory=dict)
    refused: dict[str, StorageError] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Seen | None:
        """What an object is; None if there is none.

        Raises:
            StorageError: S3 refused to tell of this one.
        """
        if key in self.refused:
            raise self.refused[key]
        return self.seen[key]


async def look_at(client: BucketClient, location: S3Location, keys: Sequence[str]) -> Looks:
    """What the objects of `keys` are right now.

    Args:
        client: Asks the bucket.
        location: Bucket, and a prefix that all keys have.
        keys: In any order.

    Raises:
        StorageError: The bucket cannot be asked, for no key.
    """
    wanted = sorted(set(keys))
    seen = await _by_listing(client, location, wanted)
    rest = [key for key in wanted if key not in seen]

    refused: dict[str, StorageError] = {}

    async def ask(key: str) -> None:
        try:
            found = await head(client, key)
        except OF_ALL_OBJECTS:
            raise
        except StorageError as error:
            refused[key] = error
        else:
            seen[key] = found and Seen(found.etag, found.size_bytes, "head")

    await asyncio.gather(*map(ask, rest))
    return Looks(seen, refused)


async def _by_listing(
    client: BucketClient, location: S3Location, wanted: Sequence[str]
) -> dict[str, Seen | None]:
    """What a listing says of the sorted keys, for as long as its pages hold enough of them."""
    seen: dict[str, Seen | None] = {}
    last = ""
    while len(wanted) - len(seen) >= _LEAST_OF_A_PAGE:
        rest = wanted[len(seen) :]
        try:
            page = await _page(client, location, max(last, _before(rest[0])))
        except NotInOrder:
            return seen
        last = page.objects.column("key")[-1].as_py() if page.objects.num_rows else last
        covered = rest if page.is_last else rest[: bisect_right(rest, last)]
        states = _states(page.objects)
        seen |= {key: states.get(key) for key in covered}
        if len(covered) < _LEAST_OF_A_PAGE:
            return seen
    return seen


async def _page(client: BucketClient, location: S3Location, after: str) -> ListingPage:
    read = await ask_page(client, location, after=after, page_size=_PAGE_ROWS)
    return read().page


def _states(objects: pa.RecordBatch) -> dict[str, Seen]:
    columns = [objects.column(name).to_pylist() for name in ("key", "etag", "size_bytes")]
    return {key: Seen(etag, size, "listing") for key, etag, size in zip(*columns, strict=True)}


def _before(key: str) -> str:
    """A text that comes before `key`, with hardly any key of a bucket between the two."""
    last = ord(key[-1]) - 1
    if last < 0:
        return key[:-1]
    return f"{key[:-1]}{chr(_BEFORE_SURROGATES if last in _SURROGATES else last)}{_LAST_CHARACTER}"
