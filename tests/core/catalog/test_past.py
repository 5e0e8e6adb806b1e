"""The index as it was: at each version, at each time, and when it is kept no longer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.past import Moment, index_at, moment_of_text
from s3pipelines.core.catalog.schemas import OBJECTS, OBJECTS_TAIL
from s3pipelines.core.catalog.tables import ensure_table, open_table
from s3pipelines.core.errors import InvalidInput, NotFound
from tests.core.catalog.states import States, etags_of


def state(catalog: Catalog, moment: Moment, source: str = "maps") -> dict[str, str]:
    return etags_of(catalog, index_at(catalog, source, moment))


def test_every_state_is_found_by_its_time(catalog: Catalog):
    states = States(catalog)
    times = [
        states.replace(a="1", b="1"),
        states.tail(b="2", c="1"),
        states.tail(a="", gone=True),
        states.replace(b="2", c="1"),
        states.clear_tail(),
        states.replace("other", z="9"),
    ]

    assert [state(catalog, at) for at in times] == [
        {"a": "1", "b": "1"},
        {"a": "1", "b": "2", "c": "1"},
        *[{"b": "2", "c": "1"}] * 4,
    ]
    assert state(catalog, times[-1], "other") == {"z": "9"}
    assert state(catalog, times[-2], "other") == {}


def test_a_version_is_its_last_moment_with_the_tail_of_then(local_catalog: Catalog):
    states = States(local_catalog)
    states.replace(a="1", b="1")
    first = states.version
    states.tail(b="2")
    states.tail(b="3", a="", gone=True)
    states.replace(a="4")
    second = states.version
    states.clear_tail()
    states.tail(c="5")

    assert state(local_catalog, first) == {}
    assert state(local_catalog, second) == {"a": "4", "c": "5"}
    assert state(local_catalog, 0) == {}


def test_what_does_not_touch_the_rows_changes_no_state(local_catalog: Catalog):
    states = States(local_catalog)
    states.append(a="1")
    before = states.append(b="1")
    version = states.version
    states.compact()

    assert states.version > version
    expected = {"a": "1", "b": "1"}
    assert state(local_catalog, before) == state(local_catalog, version) == expected
    assert state(local_catalog, states.version) == expected


def test_a_time_before_the_index_is_refused(local_catalog: Catalog):
    States(local_catalog).replace(a="1")

    with pytest.raises(NotFound, match="There was no index at 1999-01-01"):
        index_at(local_catalog, "maps", datetime(1999, 1, 1, tzinfo=UTC))


def test_a_time_to_come_is_now(local_catalog: Catalog):
    at = States(local_catalog).replace(a="1")

    assert state(local_catalog, at + timedelta(days=365)) == {"a": "1"}


def test_a_version_that_never_was_is_refused(local_catalog: Catalog):
    with pytest.raises(NotFound, match="no index yet"):
        index_at(local_catalog, "maps", 3)
    states = States(local_catalog)
    states.replace(a="1")

    with pytest.raises(NotFound, match="no version 7 of the index; the newest is 1"):
        index_at(local_catalog, "maps", 7)


@pytest.fixture
def three_states(local_catalog: Catalog) -> list[datetime]:
    """Three replacements, at versions 1, 2 and 3."""
    states = States(local_catalog)
    return [states.replace(a=etag) for etag in "123"]


def test_a_version_whose_files_were_removed_is_kept_no_longer(
    local_catalog: Catalog, three_states: list[datetime]
):
    open_table(local_catalog, OBJECTS).vacuum(
        retention_hours=0, enforce_retention_duration=False, dry_run=False
    )

    assert state(local_catalog, 3) == {"a": "3"}
    for moment in (2, three_states[1]):
        with pytest.raises(NotFound, match="kept no longer") as refused:
            index_at(local_catalog, "maps", moment)
        assert "S3PIPELINES_KEEP_VERSIONS_DAYS" in refused.value.hint


def test_a_version_whose_log_was_removed_is_kept_no_longer(
    local_catalog: Catalog, three_states: list[datetime]
):
    DeltaTable(local_catalog.table_uri("objects")).create_checkpoint()
    log = Path(local_catalog.table_uri("objects"), "_delta_log")
    for version in (0, 1):
        (log / f"{version:020}.json").unlink()

    assert state(local_catalog, 3) == state(local_catalog, three_states[2]) == {"a": "3"}
    for moment in (1, three_states[0], 2, three_states[1]):  # Of 2, the checkpoint is missing.
        with pytest.raises(NotFound, match="kept no longer"):
            index_at(local_catalog, "maps", moment)


def test_a_tail_whose_log_was_removed_is_kept_no_longer(local_catalog: Catalog):
    states = States(local_catalog)
    before = states.replace(a="1")
    ensure_table(local_catalog, OBJECTS_TAIL)
    states.tail(a="2")
    log = Path(local_catalog.table_uri("objects_tail"), "_delta_log")
    DeltaTable(local_catalog.table_uri("objects_tail")).create_checkpoint()
    (log / f"{0:020}.json").unlink()

    assert state(local_catalog, 1) == {"a": "2"}
    with pytest.raises(NotFound, match="kept no longer"):
        index_at(local_catalog, "maps", before)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("12", 12),
        (" 0 ", 0),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20 12:00:00", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("2026-11-20T12:00:00.123456Z", datetime(2026, 11, 20, 12, 0, 0, 123456, UTC)),
        ("2026-11-20T12:00:00+02:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_version_or_a_time_in_utc(text: str, moment: Moment):
    assert moment_of_text(text) == moment


@pytest.mark.parametrize("text", ["", "-1", "yesterday", "1.5", "²", "0001-01-01T00:00+23:00"])
def test_what_is_no_moment_is_refused(text: str):
    with pytest.raises(InvalidInput, match="neither a version nor a time"):
        moment_of_text(text)
