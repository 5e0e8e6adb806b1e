"""Where nothing is, told by listings: a request for a thousand keys, and not one for each of them.

A hint only: whoever writes to such a key still asks S3 to refuse if something is there by then.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.listing.asking import ask_page
from s3pipelines.core.storage.locations import S3Location

# For fewer keys, they are asked about one by one, all at a time.
_LEAST_KEYS = 64
# A page has to tell of so many of them, or else the bucket is too full of others.
_KEYS_A_PAGE = 50
# What was told longer ago is asked again: not every server minds preconditions.
_GOOD_FOR_S = 10.0


@dataclass(frozen=True)
class _Told:
    """What a page tells of: the keys after one, up to another, as they were at a moment."""

    after: str
    last: str
    at: float


class Absence:
    """Lists ahead of whoever works through keys in their order; used by one event loop.

    Args:
        client: Asks the bucket.
        keys: The keys, in their order.
    """

    def __init__(self, client: BucketClient, keys: Sequence[str]) -> None:
        self._client = client
        self._last_key = keys[-1] if keys else ""
        self._pages_left = 1 + len(keys) // _KEYS_A_PAGE if len(keys) >= _LEAST_KEYS else 0
        self._turn = asyncio.Lock()
        self._present: set[str] = set()
        self._told: list[_Told] = []

    async def is_known_of(self, key: str) -> bool:
        """Whether nothing is at a key, as far as a listing of the last seconds tells."""
        if self._pages_left:
            async with self._turn:
                while self._pages_left and (not self._told or self._told[-1].last < key):
                    await self._list_from(key)
        told = next((one for one in self._told if one.after < key <= one.last), None)
        is_fresh = told is not None and time.monotonic() - told.at < _GOOD_FOR_S
        return is_fresh and key not in self._present

    async def _list_from(self, key: str) -> None:
        """List a page; what lies between the keys that are wanted is passed over."""
        self._pages_left -= 1
        # Before it, and with nothing between that is wanted.
        after = max(self._told[-1].last if self._told else "", key[:-1])
        at = time.monotonic()
        try:
            with s3_errors(self._client.bucket):
                read = await ask_page(self._client, S3Location(self._client.bucket), after=after)
                asked = read()
        except StorageError:
            self._pages_left = 0  # Whoever may not list may still ask.
            return
        self._present.update(asked.page.objects.column("key").to_pylist())
        last = max(self._last_key, key) if asked.page.is_last else asked.last_key
        self._told.append(_Told(after, last, at))
