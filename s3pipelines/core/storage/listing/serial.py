"""Listing page by page, each when it is wanted: for a part of a bucket, or a few objects."""

from collections.abc import Iterator

from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place
from s3pipelines.core.storage.listing.asking import Asked, AskPage, ask_page
from s3pipelines.core.storage.listing.pages import ListingPage, not_usable
from s3pipelines.core.storage.locations import S3Location


def list_pages(
    access: Access,
    location: S3Location,
    *,
    start_after: str = "",
    page_size: int = 1000,
    ask: AskPage = ask_page,
) -> Iterator[ListingPage]:
    """List every object below `location` whose key sorts after `start_after`.

    Args:
        access: How to reach the bucket.
        location: Bucket and prefix.
        start_after: A full key; empty for all.
        page_size: Most keys per request (S3 gives at most 1,000).
        ask: How to ask for a page.

    Yields:
        Pages of up to `page_size` objects; the last one may be empty.

    Raises:
        StorageError: The listing failed, or its order cannot be relied on. What was yielded
            before is then a part of the listing, never the whole.
    """
    place = bucket_place(access, location.bucket)
    after, token = start_after, ""
    with LoopThread() as loop:
        client = BucketClient(place, most_in_flight=1)
        loop.run(client.__aenter__())
        try:
            while True:
                with s3_errors(location.bucket):
                    read = loop.run(
                        ask(client, location, after=after, token=token, page_size=page_size)
                    )
                    asked = read()
                _check_progress(asked, token, location)
                yield asked.page
                if asked.page.is_last:
                    return
                after, token = asked.last_key, asked.token
        finally:
            loop.run(client.__aexit__(None, None, None))


def _check_progress(asked: Asked, token: str, location: S3Location) -> None:
    if asked.token and asked.token == token and not asked.page.objects.num_rows:
        raise not_usable(location, "does not get on")
