"""A bucket in memory, listed by the ranges of a `Frontier` as a server would answer."""

import random
import uuid
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from s3pipelines.core.storage.listing.ranges import Frontier, Range, Span


@dataclass
class Run:
    """What came of a listing.

    Attributes:
        keys: Every key that was listed, by span.
        requests: How many requests were made.
        rounds: How many times one had to wait for answers.
    """

    keys: dict[Span, list[str]] = field(default_factory=dict)
    requests: int = 0
    rounds: int = 0

    @property
    def in_order(self) -> list[str]:
        """All keys, as the spans follow each other."""
        return [key for span in sorted(self.keys) for key in self.keys[span]]


def list_by_ranges(
    keys: Sequence[str],
    *,
    in_flight: int = 32,
    page_rows: int = 1000,
    known: Sequence[str] = (),
    known_rows: int = 1000,
    spans: Sequence[Span] = (Span("", None),),
    shuffle: random.Random | None = None,
) -> Run:
    """List sorted keys; requests that are under way together are answered together.

    Args:
        keys: In the order of their UTF-8 bytes.
        in_flight: Most requests at a time.
        page_rows: Most keys of an answer.
        known: See `Frontier`.
        known_rows: See `Frontier`.
        spans: What to list.
        shuffle: Lets the answers come in any order.
    """
    frontier = Frontier("", known, known_rows, page_rows)
    for span in spans:
        frontier.add(span)
    run, found = Run(), dict[int, list[str]]()
    while not frontier.is_done:
        asked: list[Range] = []
        while len(asked) < in_flight and (range_ := frontier.next(in_flight - len(asked))):
            asked.append(range_)
        run.requests += len(asked)
        run.rounds += 1
        if shuffle:
            shuffle.shuffle(asked)
        for range_ in asked:
            first = bisect_right(keys, range_.after)
            page = keys[first : first + page_rows]
            end = range_.end
            kept = [key for key in page if end is None or key <= end]
            is_last = first + page_rows >= len(keys) or (end is not None and page[-1] >= end)
            found.setdefault(range_.id, []).extend(kept)
            span = frontier.listed(range_, _samples(kept), len(kept), is_last)
            if span is not None:
                run.keys[span] = found.pop(range_.id)
    return run


def _samples(page: Sequence[str]) -> list[str]:
    rows = len(page)
    places = {0, rows // 3, 2 * rows // 3, rows - 1} if rows else set()
    return [page[place] for place in sorted(places)]


def skewed_buckets(count: int) -> dict[str, list[str]]:
    """Sorted keys as people have them, by what is odd about them."""
    chance = random.Random(7)

    def name() -> str:
        return uuid.UUID(int=chance.getrandbits(128)).hex

    def day(number: int) -> str:
        year, month = 2000 + number * 24 // count, 1 + chance.randrange(12)
        return f"{year}/{month:02}/{1 + chance.randrange(28):02}"

    buckets = {
        "one deep folder": [f"a/b/c/d/e/f/{n:09}.tif" for n in range(count)],
        "flat UUIDs": [name() for _ in range(count)],
        "dates": [f"data/{day(n)}/img{n:07}.jpg" for n in range(count)],
        "900 bytes in common": [f"{'x' * 900}{name()}" for _ in range(count)],
        "nearly all at the end": [
            *(f"zz/b/c/{name()}.tif" for _ in range(count - 100)),
            *(f"{chr(98 + n % 24)}/{n}" for n in range(100)),
        ],
        "not Latin": [
            f"図書/{''.join(chance.choices('東京大阪名古屋', k=8))}{n}" for n in range(count)
        ],
        "a folder each": [f"{name()}/file.tif" for _ in range(count)],
    }
    return {odd: sorted(keys) for odd, keys in buckets.items()}
