from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection.pending import (
    Pending,
    next_attempt,
    note_hints,
    read_pending,
    settle,
)
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.locations import FolderLocation

SOURCE = Source(id="maps", bucket="anywhere", prefix="")
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Catalog:
    return Catalog(FolderLocation(tmp_path))


def _seen(home: Catalog) -> Pending:
    seen = read_pending(home, SOURCE)
    assert seen is not None
    return seen


def test_what_is_answered_is_settled(home: Catalog):
    note_hints(home, SOURCE, 11, 3, NOW)
    settle(home, SOURCE, _seen(home), 11, None)
    assert read_pending(home, SOURCE) is None


def test_a_hint_that_came_while_s3_was_asked_stays(home: Catalog):
    note_hints(home, SOURCE, 11, 3, NOW)
    seen = _seen(home)
    note_hints(home, SOURCE, 12, 2, NOW)
    settle(home, SOURCE, seen, 11, None)
    left = _seen(home)
    assert (left.first, left.last, left.hints) == (12, 12, 2)


def test_a_hint_is_not_lost_if_an_object_waits_that_was_answered_after_it_came(home: Catalog):
    """The hint is in commit 12, the answer `waiting` in 13: who reads from 13 misses the hint."""
    note_hints(home, SOURCE, 11, 3, NOW)
    seen = _seen(home)
    note_hints(home, SOURCE, 12, 2, NOW)
    due_at = NOW + timedelta(hours=1)
    waits = Pending(generation=SOURCE.generation, first=13, last=13, waiting=1, due_at=due_at)
    settle(home, SOURCE, seen, 11, waits)
    left = _seen(home)
    assert (left.first, left.last, left.waiting, left.due_at) == (12, 13, 1, due_at)


def test_a_hint_is_not_lost_if_it_is_noted_after_a_later_one_was_worked_through(home: Catalog):
    """Two processes wrote commits 10 and 11; the first was slow to note its own."""
    note_hints(home, SOURCE, 11, 3, NOW)
    seen = _seen(home)
    note_hints(home, SOURCE, 10, 2, NOW)
    settle(home, SOURCE, seen, 11, None)
    left = _seen(home)
    assert (left.first, left.hints) == (10, 2)


def test_no_request_uses_a_key_twice(home: Catalog):
    """The clock of the run may be behind that of the sensor: then it finds nothing due yet."""
    due_at = NOW - timedelta(seconds=1)
    note_hints(home, SOURCE, 2, 1, NOW)
    keys: list[tuple[int, int]] = []
    for minute in range(3):
        counted = next_attempt(home, SOURCE, NOW + timedelta(minutes=minute))
        assert counted is not None
        keys.append((counted.requested, counted.attempt))
        waits = Pending(generation=SOURCE.generation, first=2, last=2, waiting=1, due_at=due_at)
        settle(home, SOURCE, _seen(home), 2, waits)
    assert keys == [(2, 1), (2, 2), (2, 3)]


def test_a_request_of_a_clock_that_is_ahead_holds_nobody_up(home: Catalog):
    note_hints(home, SOURCE, 2, 1, NOW)
    assert next_attempt(home, SOURCE, NOW + timedelta(hours=1))

    assert next_attempt(home, SOURCE, NOW) is not None


def test_what_is_left_is_as_old_as_the_look_that_left_it(home: Catalog):
    note_hints(home, SOURCE, 2, 1, NOW - timedelta(hours=5))
    seen = _seen(home)
    note_hints(home, SOURCE, 3, 1, NOW)
    settle(home, SOURCE, seen, 2, None, at=NOW - timedelta(seconds=3))
    assert _seen(home).since == NOW - timedelta(seconds=3)
