from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection.pending import Pending, note_hints, read_pending, settle
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
