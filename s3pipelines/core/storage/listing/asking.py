"""One request of a listing, and what is made sure of its answer."""

from dataclasses import dataclass

from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.listing.pages import ListingPage, check_keys, server_time_of
from s3pipelines.core.storage.listing.parsing import parse
from s3pipelines.core.storage.locations import S3Location

_OPERATION = "ListObjectsV2"


@dataclass(frozen=True)
class Asked:
    """An answer, and how to go on.

    Attributes:
        page: What it holds, in order.
        last_key: The last key of it, or what it came after.
        token: What the next request may name; empty at the end.
    """

    page: ListingPage
    last_key: str
    token: str


async def ask_page(
    client: BucketClient,
    location: S3Location,
    *,
    after: str = "",
    token: str = "",
    page_size: int = 1000,
) -> Asked:
    """Ask for the objects of `location` behind a key.

    Args:
        client: Asks the bucket.
        location: Bucket and prefix.
        after: A full key; empty for all.
        token: What the answer before gave; `after` is then the last key of that one.
        page_size: Most keys.

    Raises:
        NotInOrder: The keys do not come after `after`, or not in their order.
        StorageError: The answer cannot be relied on.
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
    answer = parse(reply.body, location)
    last_key = check_keys(answer.objects, after, location)
    page = ListingPage(
        answer.objects, server_time_of(reply.headers.get("date", "")), answer.is_last
    )
    return Asked(page, last_key, answer.token)
