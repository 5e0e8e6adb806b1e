"""Which ranges of keys a listing is at, and how they are divided while it goes on.

It starts with one range. Whenever a request could be made and no range waits for one, the range
that is expected to hold most is divided, and the new part is listed side by side with the old one.
Pure bookkeeping: `parallel` makes the requests.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heapreplace
from itertools import count

from s3pipelines.core.storage.listing.key_model import KeyModel, beginning

PAGE_ROWS = 1000
# What is less than so many pages is listed sooner than it is divided.
_WORTH_DIVIDING_PAGES = 1.5
# What was busy goes on for a while, however often its divisions were empty.
_LEAST_LUCK = 0.5
# Enough to know the keys by; a few million more characters would cost more than they tell.
_LEARN_FROM_PAGES = 128
# What was listed of a longer range is kept as a range of its own, so that a crash loses no more.
_LONGEST_RANGE_PAGES = 200


@dataclass(frozen=True, order=True)
class Span:
    """The keys after `start` up to `end`, and with it; None is no end."""

    start: str
    end: str | None


@dataclass(frozen=True)
class KnownKeys:
    """Keys of an earlier listing, which tell where to divide this one; they may be out of date.

    Attributes:
        keys: Ascending.
        rows: How many objects there were from one to the next.
    """

    keys: Sequence[str] = ()
    rows: int = 1000


NOTHING_KNOWN = KnownKeys()


@dataclass(eq=False)
class Range:
    """A span that is listed as far as `after`.

    Attributes:
        id: Its number.
        start: It begins after this key.
        end: It ends with this key; None for no end.
        after: What was listed last.
        token: What the next request must name beside it, if the key alone does not lead on.
        rows: How many entries were listed.
        pages: How many answers there were.
        moving: What the keys of the last page have in common.
        expected: How many keys are expected in what is left; None if that is to be found out.
        parent: The range that it was divided from.
        luck: Whatever the model says, so many times as many keys as were listed may follow; less
            each time that what was divided from it turned out to be empty.
    """

    id: int
    start: str
    end: str | None
    after: str = ""
    rows: int = 0
    pages: int = 0
    moving: str = ""
    expected: float | None = 0.0
    parent: "Range | None" = None
    luck: float = 1.0
    token: str = ""

    def __post_init__(self) -> None:
        self.after = self.after or self.start


@dataclass
class Frontier:
    """The ranges of one listing.

    Args:
        root: What every key begins with.
        known: Keys of an earlier listing, ascending, that had the same number of keys between
            them; empty if there was none.
        known_rows: How many keys those were, from one to the next.
        page_rows: Most keys of an answer.
    """

    root: str
    known: Sequence[str] = ()
    known_rows: int = PAGE_ROWS
    page_rows: int = PAGE_ROWS
    waiting: deque[Range] = field(default_factory=deque)
    # In the order in which they were asked for, so that a listing can be repeated.
    listing: dict[Range, None] = field(default_factory=dict)
    _model: KeyModel = field(default_factory=KeyModel)
    _learnt: int = 0
    _ids: Iterator[int] = field(default_factory=count)

    def add(self, span: Span, parent: Range | None = None) -> None:
        """Add a span that is to be listed; `parent` is what it was divided from."""
        range_ = Range(next(self._ids), span.start, span.end, parent=parent)
        # Without an earlier listing, the first answer will tell.
        range_.expected = len(self._known_between(range_)) * self.known_rows
        self.waiting.append(range_)

    @property
    def is_done(self) -> bool:
        """Everything was listed."""
        return not self.waiting and not self.listing

    def next(self, free: int) -> Range | None:
        """The range to ask for next, of `free` requests that can be made; None if there is none."""
        if not self.waiting:
            self._divide(free)
        if not self.waiting:
            return None
        taken = self.waiting.popleft()
        self.listing[taken] = None
        return taken

    def listed(self, range_: Range, keys: Sequence[str], rows: int, is_last: bool) -> Span | None:
        """Take in an answer.

        Args:
            range_: What was asked for.
            keys: Some keys of the answer, its first and last among them; of none, it is empty.
            rows: How many entries there were.
            is_last: The rest of the range holds none.

        Returns:
            What the range covers, if it was the last answer for it.
        """
        self.listing.pop(range_, None)
        range_.pages += 1
        range_.rows += rows
        if range_.pages == 1 and range_.parent is not None:
            range_.parent.luck = 1.0 if rows else max(_LEAST_LUCK, range_.parent.luck / 2)
        if keys:
            range_.after = keys[-1]
            range_.moving = beginning(keys[0], keys[-1])
            if self._learnt < _LEARN_FROM_PAGES:
                self._learnt += 1
                self._model.learn(keys)
        if is_last:
            return Span(range_.start, range_.end)
        if range_.rows >= _LONGEST_RANGE_PAGES * self.page_rows and not range_.token:
            self.add(Span(range_.after, range_.end))
            return Span(range_.start, range_.after)
        range_.expected = None
        self.waiting.append(range_)
        return None

    def _expected(self, range_: Range) -> float:
        if range_.expected is None:
            range_.expected = self._expected_anew(range_)
        return range_.expected

    def _expected_anew(self, range_: Range) -> float:
        within = self._known_between(range_)
        if within:
            return len(within) * self.known_rows
        common = self.root if range_.end is None else beginning(range_.start, range_.end)
        begin, now = (self._model.position(k, common) for k in (range_.start, range_.after))
        end = 1.0 if range_.end is None else self._model.position(range_.end, common)
        if now <= begin or end <= now:
            return range_.rows * range_.luck
        return range_.rows * max((end - now) / (now - begin), range_.luck)

    def _divide(self, free: int) -> None:
        for range_, parts in self._shares(free).items():
            points = self._points(range_, parts)
            if not points:
                range_.expected = 0.0  # Until its next answer.
                continue
            for start, end in zip(points, [*points[1:], range_.end], strict=True):
                self.add(Span(start, end), range_)
            range_.end = points[0]
            range_.expected = self._expected(range_) / parts

    def _shares(self, free: int) -> dict[Range, int]:
        """Into how many parts each range is to be divided, so that `free` more come of it."""
        if free <= 0:
            return {}
        expected = {range_: self._expected(range_) for range_ in self.listing}
        heap = [
            (-rows / 2, number, 1, range_)
            for number, (range_, rows) in enumerate(expected.items())
            # In the midst of one key, whoever begins behind a key before it begins with it anew.
            if rows > self._worth_dividing and not range_.token
        ]
        heapify(heap)
        parts: dict[Range, int] = {}
        for _ in range(free):
            if not heap or -heap[0][0] * 2 < self._worth_dividing:
                break
            _, number, has, range_ = heap[0]
            parts[range_] = has + 1
            heapreplace(heap, (-expected[range_] / (has + 2), number, has + 1, range_))
        return parts

    def _points(self, range_: Range, parts: int) -> list[str]:
        known = self._known_between(range_)
        if known:
            step = len(known) / parts
            return sorted({known[int(step * n)] for n in range(1, parts)})
        points = self._model.between(range_.after, range_.end, parts, self.root)
        if not points:
            # The end is far away from where the keys are: look around them.
            inside = self._model.between(range_.after, None, parts, range_.moving)
            points = [key for key in inside if range_.end is None or key < range_.end]
        return points

    @property
    def _worth_dividing(self) -> float:
        return _WORTH_DIVIDING_PAGES * self.page_rows

    def _known_between(self, range_: Range) -> Sequence[str]:
        """Keys of the earlier listing in what is left of a range, when its next page has come."""
        if not self.known:
            return ()
        first = bisect_right(self.known, range_.after)
        last = len(self.known) if range_.end is None else bisect_left(self.known, range_.end)
        return self.known[first:last]
