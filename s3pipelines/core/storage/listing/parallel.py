"""Listing a whole prefix by ranges of keys, many requests at a time."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import pyarrow as pa

from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import imports_put_aside, in_background
from s3pipelines.core.storage.http.places import BucketPlace, bucket_place
from s3pipelines.core.storage.listing.asking import Asked, AskPage, ReadPage, ask_page
from s3pipelines.core.storage.listing.pages import ListingPage, NotInOrder
from s3pipelines.core.storage.listing.ranges import (
    NOTHING_KNOWN,
    PAGE_ROWS,
    Frontier,
    KnownKeys,
    Range,
    Span,
)
from s3pipelines.core.storage.locations import S3Location

IN_FLIGHT = 48
# Of 1,000 objects each, some 100 kB.
_PAGES_AHEAD = 96
# Shares of the requests under way whose answers wait to be taken in.
_LITTLE, _MUCH = 0.1, 0.3
_LEAST_WORTH = 2.0
# Steps per answer: requests that are lacking at the end cost more than those that are too many.
_FEWER, _MORE = 0.5, 2.0


@dataclass(frozen=True)
class Part:
    """Some objects of a range.

    Attributes:
        range_id: The range; its parts come in the order of their keys.
        page: Some of its objects; there may be none.
        listed: The keys that the range covers, if this is its last part.
    """

    range_id: int
    page: ListingPage
    listed: Span | None


def list_parts(
    access: Access,
    location: S3Location,
    spans: Sequence[Span],
    *,
    known: KnownKeys = NOTHING_KNOWN,
    in_flight: int = IN_FLIGHT,
    page_size: int = PAGE_ROWS,
    ask: AskPage = ask_page,
) -> Generator[Part, None, None]:
    """List the objects of `location` in the given spans of keys, as fast as the server answers.

    Args:
        access: How to reach the bucket.
        location: Bucket and prefix.
        spans: What is to be listed; `[Span("", None)]` for all.
        known: Keys of an earlier listing: where to divide at first.
        in_flight: Most requests at a time; fewer where the server asks to slow down.
        page_size: Most keys per request (S3 gives at most 1,000).
        ask: How to ask for a page.

    Yields:
        Parts of ranges, in any order of ranges. Each object is in one of them, at the moment of
        its request; together the ranges cover all spans without overlap.

    Raises:
        NotInOrder: The server does not list in order from any key on: it has to be listed
            serially, if at all.
        StorageError: The listing failed; what was yielded before is a part of it.
    """
    place = bucket_place(access, location.bucket)
    frontier = Frontier(location.prefix, known.keys, known.rows, page_size)
    for span in spans:
        frontier.add(span)

    def produce() -> AsyncIterator[Part]:
        return _Listing(place, location, frontier, in_flight, ask).parts()

    with (
        imports_put_aside(),
        s3_errors(location.bucket),
        closing(in_background(produce, _PAGES_AHEAD)) as parts,
    ):
        yield from parts


@dataclass(frozen=True)
class _Answer:
    range_: Range
    read: ReadPage


class _Listing:
    def __init__(
        self,
        place: BucketPlace,
        location: S3Location,
        frontier: Frontier,
        in_flight: int,
        ask: AskPage,
    ) -> None:
        self._location = location
        self._ask_page = ask
        self._frontier = frontier
        self._client = BucketClient(place, most_in_flight=in_flight)
        self._answers: asyncio.Queue[_Answer | Exception] = asyncio.Queue()
        self._requests: set[asyncio.Task[None]] = set()
        # Those without an answer; a task ends a little later than its answer is there.
        self._under_way = 0
        self._most = self._worth = float(in_flight)

    async def parts(self) -> AsyncIterator[Part]:
        async with self._client:
            try:
                while not self._frontier.is_done:
                    self._send()
                    self._weigh()
                    answer = await self._answers.get()
                    if isinstance(answer, Exception):
                        raise answer
                    yield self._taken_in(answer.range_, self._read(answer))
                    # What this one leads to is asked for before the next one is read.
                    await asyncio.sleep(0)
            finally:
                for request in self._requests:
                    request.cancel()
                await asyncio.gather(*self._requests, return_exceptions=True)

    def _send(self) -> None:
        """As many requests as may be under way, and are worth it."""
        while (free := self._client.pace.allowed - self._under_way) > 0:
            more = int(self._worth) - self._under_way - self._answers.qsize()
            range_ = self._frontier.next(max(0, min(free, more)))
            if range_ is None:
                return
            self._under_way += 1
            request = asyncio.create_task(self._ask(range_))
            self._requests.add(request)
            request.add_done_callback(self._requests.discard)

    def _weigh(self) -> None:
        """Divide for fewer requests while answers wait to be taken in, for more while none does.

        What the listing waits for is then not the server, and more requests would only cost.
        """
        waiting = self._answers.qsize()
        if waiting > _MUCH * self._worth:
            self._worth = max(_LEAST_WORTH, self._worth - _FEWER)
        elif waiting < _LITTLE * self._worth:
            self._worth = min(self._most, self._worth + _MORE)

    async def _ask(self, range_: Range) -> None:
        answer: _Answer | Exception
        try:
            answer = _Answer(range_, await self._request(range_))
        except Exception as error:  # noqa: BLE001 - it is raised where the answers are taken
            answer = error
        self._under_way -= 1
        self._answers.put_nowait(answer)

    async def _request(self, range_: Range) -> ReadPage:
        return await self._ask_page(
            self._client,
            self._location,
            after=range_.after,
            token=range_.token,
            end=range_.end,
            page_size=self._frontier.page_rows,
        )

    def _read(self, answer: _Answer) -> Asked:
        range_, asked = answer.range_, answer.read()
        leads_on = asked.must_name and asked.token != range_.token
        if not asked.page.is_last and asked.last_key == range_.after and not leads_on:
            # A token would lead on; a key does not.
            raise NotInOrder.of(self._location, "has pages without a key")
        return asked

    def _taken_in(self, range_: Range, asked: Asked) -> Part:
        # Its end only now, as the range may have been divided while this was asked for.
        end = range_.end
        page = asked.page
        passed_end = end is not None and (asked.last_key >= end or asked.first_key > end)
        ends_here = page.is_last or passed_end
        objects = _up_to(page.objects, end)
        range_.token = asked.token if asked.must_name else ""
        keys, entries = _samples(objects), objects.num_rows
        if not ends_here:
            entries = asked.entries
            if asked.last_key > (keys[-1] if keys else range_.after):
                keys.append(asked.last_key)  # The last ones are there, but deleted.
        listed = self._frontier.listed(range_, keys, entries, ends_here)
        return Part(range_.id, replace(page, objects=objects), listed)


def _up_to(objects: pa.RecordBatch, end: str | None) -> pa.RecordBatch:
    """The objects whose keys do not come after `end`."""
    if end is None or not objects.num_rows:
        return objects
    keys = objects.column("key")
    if keys[-1].as_py() <= end:
        return objects
    return objects.slice(0, bisect_right(range(len(keys)), end, key=lambda at: keys[at].as_py()))


def _samples(objects: pa.RecordBatch) -> list[str]:
    """A few keys, the first and the last among them."""
    rows, keys = objects.num_rows, objects.column("key")
    places = {0, rows // 3, 2 * rows // 3, rows - 1} if rows else set()
    return [keys[place].as_py() for place in sorted(places)]
