"""One request of a listing, and what is made sure of its answer."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.connection import Reply
from s3pipelines.core.storage.listing.pages import (
    LISTED,
    ListingPage,
    check_keys,
    nothing_of,
    server_time_of,
)
from s3pipelines.core.storage.listing.parsing import first_key, parse
from s3pipelines.core.storage.locations import S3Location

_OPERATION = "ListObjectsV2"
_NOTHING = nothing_of(LISTED)


@dataclass(frozen=True)
class Asked:
    """An answer, and how to go on.

    Attributes:
        page: What it holds, in order.
        last_key: The last key of it, or what it came after; where nothing of it was read, a key
            beyond the end.
        token: What the next request may name; empty at the end.
        entries: How many entries of the server's order the page took up.
        must_name: The next request must name the token, as the last key does not lead on.
        first_key: The first key that the answer tells of, where that may come after the last one:
            all that is known of it is not enough yet. Empty else.
    """

    page: ListingPage
    last_key: str
    token: str
    entries: int
    must_name: bool = False
    first_key: str = ""


# Reading an answer takes as long as several others take to arrive: who asks chooses when.
ReadPage = Callable[[], Asked]


class AskPage(Protocol):
    """Asks for one page; `ask_page` says what its parameters mean."""

    async def __call__(
        self,
        client: BucketClient,
        location: S3Location,
        *,
        after: str = "",
        token: str = "",
        end: str | None = None,
        page_size: int = 1000,
    ) -> ReadPage:
        """Ask for the objects of `location` behind a key."""
        ...


async def ask_page(
    client: BucketClient,
    location: S3Location,
    *,
    after: str = "",
    token: str = "",
    end: str | None = None,
    page_size: int = 1000,
) -> ReadPage:
    """Ask for the objects of `location` behind a key.

    Args:
        client: Asks the bucket.
        location: Bucket and prefix.
        after: A full key; empty for all.
        token: What the answer before gave; `after` is then the last key of that one.
        end: What comes after this key does not matter: an answer that begins there is not read.
        page_size: Most keys.

    Returns:
        What reads the answer. It raises `NotInOrder` if the keys do not come after `after`, or not
        in their order, and `StorageError` if the answer cannot be relied on.

    Raises:
        ClientError: The server refused.
        BotoCoreError: Nobody answered.
    """
    query = {"list-type": "2", "encoding-type": "url", "max-keys": str(page_size)}
    if location.prefix:
        query["prefix"] = location.prefix
    if token:
        query["continuation-token"] = token
    elif after:
        query["start-after"] = after
    reply = await client.ask(_OPERATION, "GET", query=query)
    return partial(_read, reply, location, after, end)


def _read(reply: Reply, location: S3Location, after: str, end: str | None) -> Asked:
    server_time = server_time_of(reply.headers.get("date", ""))
    if end is not None and (first := first_key(reply.body)) is not None and first > end:
        return Asked(ListingPage(_NOTHING, server_time, False), first, "", 0)
    answer = parse(reply.body, location)
    last_key = check_keys(answer.objects, after, location)
    page = ListingPage(answer.objects, server_time, answer.is_last)
    return Asked(page, last_key, answer.token, answer.objects.num_rows)
