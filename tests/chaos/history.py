"""What happens to a bucket, and what S3 says of it: both follow from a seed alone."""

import hashlib
import json
import random
import time
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from tests.chaos.buckets import Bucket, iso
from tests.chaos.queues import Queue

_NEW, _OVERWRITE = 0.55, 0.30
# So many of the overwrites and deletions hit a key that was changed just before …
_HOT = 0.5
_HOT_KEYS = 40
# … and so many overwrites write the same bytes again.
_SAME_BYTES = 0.05
_GROUPED = 0.1
_FOLDERS = ("scans", "raw data", "Müller+Söhne", "2024/05/06", "🐟", "a%20b", "x=1&y=2", "deep/er")


@dataclass(slots=True, frozen=True)
class Event:
    """One change: of `size` bytes with `etag`, or a deletion where `etag` is empty."""

    number: int
    key: str
    size: int
    etag: str

    @property
    def sequencer(self) -> str:
        return f"00{0x66A0000000 + self.number * 7:014X}"


def key_of(index: int) -> str:
    """The key of this number; they look like those that people have."""
    folder = _FOLDERS[index % len(_FOLDERS)]
    return (
        f"{folder}/{index // 1000:04d}/img {index}.tif"
        if index % 5 == 0
        else (f"{folder}/{index // 1000:04d}/img_{index}.{('tif', 'jpg', 'h5')[index % 3]}")
    )


class _Keys:
    """A set of numbers of which one can be drawn."""

    def __init__(self, numbers: range) -> None:
        self.numbers = list(numbers)
        self._at = {number: at for at, number in enumerate(self.numbers)}

    def __contains__(self, number: int) -> bool:
        return number in self._at

    def add(self, number: int) -> None:
        self._at[number] = len(self.numbers)
        self.numbers.append(number)

    def remove(self, number: int) -> None:
        at, last = self._at.pop(number), self.numbers.pop()
        if last != number:
            self.numbers[at] = last
            self._at[last] = at


def history(seed: int, events: int, keys: int) -> list[Event]:
    """About 55 % new objects, 30 % overwritten ones and 15 % deletions, as far as keys allow."""
    rng = random.Random(seed)
    absent, present = _Keys(range(keys)), _Keys(range(0))
    hot: deque[int] = deque(maxlen=_HOT_KEYS)
    state: dict[int, tuple[int, str]] = {}
    made = []
    for number in range(events):
        draw = rng.random()
        if absent.numbers and (draw < _NEW or not present.numbers):
            index = rng.choice(absent.numbers)
            absent.remove(index)
            present.add(index)
            written = True
        else:
            index = _existing(rng, hot, present)
            written = draw < _NEW + _OVERWRITE
            if not written:
                present.remove(index)
                absent.add(index)
        if not written:
            state.pop(index)
        elif index not in state or rng.random() >= _SAME_BYTES:
            state[index] = (rng.randrange(1, 5_000_000), _etag(seed, number))
        hot.append(index)
        made.append(Event(number, key_of(index), *state.get(index, (0, ""))))
    return made


def _existing(rng: random.Random, hot: deque[int], present: _Keys) -> int:
    if rng.random() < _HOT and (index := rng.choice(hot)) in present:
        return index
    return rng.choice(present.numbers)


def _etag(seed: int, number: int) -> str:
    return hashlib.md5(f"{seed}:{number}".encode()).hexdigest()


def messages(
    seed: int, events: int, *, duplicates: float, lost: float, window: int
) -> list[list[range]]:
    """What arrives of the events, as messages of one or more of them, window by window.

    A message is in the window of its last event; within its window the order is a shuffled one.
    """
    rng = random.Random(f"messages of {seed}")
    windows: list[list[range]] = [[] for _ in range(-(-events // window))]
    at = 0
    while at < events:
        many = rng.randint(2, 5) if rng.random() < _GROUPED else 1
        message = range(at, min(at + many, events))
        at = message.stop
        if rng.random() < lost:
            continue
        its_window = (message.stop - 1) // window
        windows[its_window].append(message)
        if rng.random() < duplicates:
            later = min(its_window + rng.randint(0, 1), len(windows) - 1)
            windows[later].append(message)
    for arriving in windows:
        rng.shuffle(arriving)
    return windows


class Play:
    """A history that happens to a bucket step by step, and is told to a queue."""

    def __init__(
        self,
        name: str,
        bucket: Bucket,
        queue: Queue,
        made: list[Event],
        told: list[list[range]],
        window: int,
    ) -> None:
        self._name = name
        self._bucket = bucket
        self._queue = queue
        self._events = made
        self._told = told
        self._window = window
        self.released = 0

    @property
    def total(self) -> int:
        return len(self._events)

    def release(self, many: int) -> int:
        """Let the next events happen; messages follow at once, in the order of their window."""
        first = self.released
        self.released = min(first + many, self.total)
        for event in self._events[first : self.released]:
            if event.etag:
                self._bucket.put(event.key, event.size, event.etag)
            else:
                self._bucket.delete(event.key)
        # A window that is released in parts keeps back what did not happen yet.
        for window in range(first // self._window, -(-self.released // self._window)):
            waiting = self._told[window]
            # A copy may come a window later than its message, but no sooner than that begins.
            for message in waiting:
                if message.stop <= self.released:
                    self._queue.send(self._body(message))
            self._told[window] = [m for m in waiting if m.stop > self.released]
        return self.released - first

    def _body(self, message: range) -> str:
        now = time.time()
        told = f"{iso(now)}.{int(now % 1 * 1000):03d}Z"
        return json.dumps({"Records": [self._record(self._events[n], told) for n in message]})

    def _record(self, event: Event, told: str) -> dict[str, Any]:
        described: dict[str, Any] = {
            # S3 leaves the slashes as they are.
            "key": quote_plus(event.key, safe="/"),
            "sequencer": event.sequencer,
        }
        if event.etag:
            described |= {"size": event.size, "eTag": event.etag}
        return {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventTime": told,
            "eventName": "ObjectCreated:Put" if event.etag else "ObjectRemoved:Delete",
            "userIdentity": {"principalId": "chaos"},
            "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "responseElements": {"x-amz-request-id": "0", "x-amz-id-2": "0"},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "chaos",
                "bucket": {
                    "name": self._name,
                    "ownerIdentity": {"principalId": "chaos"},
                    "arn": f"arn:aws:s3:::{self._name}",
                },
                "object": described,
            },
        }
