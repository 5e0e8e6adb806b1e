"""Applying the ledger: S3 is asked, the answer is recorded, what changed is in the index once."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake.exceptions import CommitFailedError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import CHANGES, OBJECTS
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.errors import AccessDenied, Unreachable, Unreadable
from s3pipelines.core.index import answers, refresh, turns, upkeep
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.index.turns import Turn
from s3pipelines.core.sources.registry import create_source, get_source, update_source
from s3pipelines.core.storage.heads import Asked, ask_many
from s3pipelines.core.storage.listing import ListingPage
from tests.core.index.hinting import hint, indexed, kinds, ledger
from tests.core.index.rows import index_keys, index_rows

NOTHING = dict.fromkeys(("created", "overwritten", "transitioned", "deleted"), 0)
Ask = Callable[..., Iterator[Asked]]


@pytest.fixture
def maps(catalog: Catalog, bucket, put_objects) -> Catalog:
    """A source `maps` of four objects whose index is up to date."""
    put_objects("m/a", "m/b", "m/c", "m/d")
    create_source(catalog, "maps", f"s3://{bucket}/m")
    refresh_index(catalog, "maps")
    return catalog


@pytest.fixture
def local(local_catalog: Catalog, bucket, put_objects) -> Catalog:
    """The same in a folder."""
    put_objects("m/a", "m/b", "m/c", "m/d")
    create_source(local_catalog, "maps", f"s3://{bucket}/m")
    refresh_index(local_catalog, "maps")
    return local_catalog


def answer_with(monkeypatch: pytest.MonkeyPatch, change: Callable[[Asked], Asked]) -> None:
    """Let what S3 says pass through a function."""

    def changed(*arguments, **options) -> Iterator[Asked]:
        yield from map(change, ask_many(*arguments, **options))

    monkeypatch.setattr(answers, "ask_many", changed)


def test_hints_become_changes_without_a_listing(
    maps: Catalog, bucket, put_objects, s3, monkeypatch
):
    put_objects("m/e", "m/a", body=b"12345")
    s3.delete_object(Bucket=bucket, Key="m/b")
    hint(maps, "maps", "m/a", "m/b", "m/c", "m/e", "m/never-there")
    monkeypatch.setattr("s3pipelines.core.index.spool.list_pages", None)

    batch = apply_changes(maps, "maps")

    assert batch.applied.changes == NOTHING | {"created": 1, "overwritten": 1, "deleted": 1}
    assert kinds(maps, "maps") == [
        ("m/a", "overwritten"),
        ("m/b", "deleted"),
        ("m/c", "unchanged"),
        ("m/e", "created"),
        ("m/never-there", "unchanged"),
    ]
    assert index_keys(maps, "maps") == ["m/a", "m/c", "m/d", "m/e"]
    assert sum(group.objects for group in batch.groups) == 4
    assert read_pending(maps, get_source(maps, "maps")) is None


def test_rows_from_events_equal_rows_from_a_listing(local: Catalog, put_objects):
    put_objects("m/new.TIFF", "m/a", body=b"12345")
    hint(local, "maps", "m/new.TIFF", "m/a")
    apply_changes(local, "maps")
    from_events = index_rows(local, "maps")
    create_again = create_source(local, "again", f"s3://{get_source(local, 'maps').bucket}/m")

    refresh_index(local, create_again.id)

    from_listing = index_rows(local, "again")
    for one, other in zip(from_events, from_listing, strict=True):
        same = {"indexed_at": one["indexed_at"], "source": "maps"}
        assert one == other | same


def test_an_event_that_comes_again_is_recorded_and_applied_once(local: Catalog, put_objects):
    put_objects("m/e")
    hint(local, "maps", "m/e")
    apply_changes(local, "maps")
    version = open_table(local, OBJECTS).version()
    hint(local, "maps", "m/e")

    again = apply_changes(local, "maps")

    assert again.applied.changes == NOTHING
    assert kinds(local, "maps") == [("m/e", "created"), ("m/e", "unchanged")]
    assert open_table(local, OBJECTS).version() == version


def test_nothing_pending_asks_nobody(local: Catalog, monkeypatch):
    monkeypatch.setattr(answers, "ask_many", None)

    assert apply_changes(local, "maps").applied.asked == 0


def test_another_storage_class_is_a_change(local: Catalog, bucket, s3):
    s3.copy_object(Bucket=bucket, Key="m/a", CopySource=f"{bucket}/m/a", StorageClass="STANDARD_IA")
    hint(local, "maps", "m/a", event="LifecycleTransition")

    apply_changes(local, "maps")

    assert indexed(local, "maps")["m/a"].storage_class == "STANDARD_IA"


def test_a_completed_restore_is_a_change_that_is_recorded_once(local: Catalog, monkeypatch):
    until = datetime(2026, 1, 5, tzinfo=UTC)

    def restored(asked: Asked) -> Asked:
        assert asked.found is not None
        return replace(asked, found=replace(asked.found, restored_until=until))

    answer_with(monkeypatch, restored)
    for _ in range(2):
        hint(local, "maps", "m/a", id="one event", event="ObjectRestore:Completed")
        apply_changes(local, "maps")

    (row,) = ledger(local, "maps")
    assert (row["kind"], row["note"]) == ("restored", "It can be read until 2026-01-05 00:00 UTC.")


def test_what_has_not_settled_waits_and_is_taken_in_when_it_has(
    local: Catalog, put_objects, monkeypatch
):
    update_source(local, "maps", "a gateway writes in pieces", settle_s=60)
    put_objects("m/e")
    hint(local, "maps", "m/e")

    first = apply_changes(local, "maps")

    assert (first.applied.changes, first.applied.waiting) == (NOTHING, 1)
    pending = read_pending(local, get_source(local, "maps"))
    assert pending is not None
    assert pending.due_at is not None
    assert timedelta(0) < pending.due_at - datetime.now(UTC) <= timedelta(seconds=61)
    assert apply_changes(local, "maps").applied.asked == 0, "not before it is due"

    def rested(asked: Asked) -> Asked:
        assert asked.found is not None
        later = asked.found.last_modified + timedelta(seconds=60)
        return replace(asked, found=replace(asked.found, server_time=later))

    answer_with(monkeypatch, rested)
    monkeypatch.setattr(turns, "datetime", _Later)
    apply_changes(local, "maps")

    assert "m/e" in indexed(local, "maps")
    assert read_pending(local, get_source(local, "maps")) is None


class _Later(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(seconds=62)


def test_one_object_without_an_answer_is_asked_again_and_stops_no_other(
    local: Catalog, put_objects, monkeypatch
):
    put_objects("m/e", "m/f")
    hint(local, "maps", "m/e", "m/f")
    denied = AccessDenied("Access is denied.", hint="Grant it.")
    answer_with(monkeypatch, lambda a: Asked(a.key, None, denied) if a.key == "m/e" else a)

    batch = apply_changes(local, "maps")

    assert kinds(local, "maps") == [("m/e", "failed"), ("m/f", "created")]
    assert batch.applied.waiting == 1
    assert "m/f" in indexed(local, "maps")


def test_a_source_that_gives_no_answer_fails_the_batch_and_keeps_its_hints(
    local: Catalog, monkeypatch
):
    silent = Unreachable("Nothing answers.", hint="Check it.")
    answer_with(monkeypatch, lambda asked: Asked(asked.key, None, silent))
    monkeypatch.setattr(answers, "list_pages", _no_listing)
    hint(local, "maps", "m/a", "m/b")

    with pytest.raises(Unreachable):
        apply_changes(local, "maps")

    pending = read_pending(local, get_source(local, "maps"))
    assert pending is not None
    assert pending.hints == 2


def _no_listing(*_, **__) -> Iterator[ListingPage]:
    raise Unreachable("Nothing answers.", hint="Check it.")
    yield


@pytest.mark.parametrize("step", ["take_in", "settle"])
def test_a_writer_that_is_killed_between_two_steps_is_finished_by_the_next_one(
    maps: Catalog, put_objects, monkeypatch, step
):
    put_objects("m/e")
    hint(maps, "maps", "m/e")

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(turns, step, killed)
        with pytest.raises(KeyboardInterrupt):
            apply_changes(maps, "maps")
    monkeypatch.setattr(answers, "ask_many", None)

    apply_changes(maps, "maps")

    assert kinds(maps, "maps") == [("m/e", "created")], "S3 is not asked again"
    assert index_keys(maps, "maps") == ["m/a", "m/b", "m/c", "m/d", "m/e"]


def test_a_hint_that_arrives_while_s3_is_asked_is_left_for_the_next_batch(
    local: Catalog, put_objects, monkeypatch
):
    put_objects("m/e")
    hint(local, "maps", "m/e")
    once: list[int] = []

    def meanwhile(asked: Asked) -> Asked:
        if not once:
            once.append(1)
            put_objects("m/e", body=b"newer")
            hint(local, "maps", "m/e", "m/a")
        return asked

    answer_with(monkeypatch, meanwhile)
    apply_changes(local, "maps")
    pending = read_pending(local, get_source(local, "maps"))
    assert pending is not None

    apply_changes(local, "maps")

    assert indexed(local, "maps")["m/e"].size_bytes == 5


def test_a_writer_that_was_overtaken_while_it_asked_writes_nothing_of_it(
    local: Catalog, put_objects, monkeypatch
):
    """Its lease was lost, another one asked later, and its own answers are old by now."""
    put_objects("m/e")
    hint(local, "maps", "m/e")
    once: list[int] = []

    def overtaken(asked: Asked) -> Asked:
        if not once:
            once.append(1)
            put_objects("m/e", body=b"newer")
            with monkeypatch.context() as patch:
                patch.setattr(turns, "index_lease", lambda _: "leases/other.json")
                apply_changes(local, "maps")
        return asked

    answer_with(monkeypatch, overtaken)

    apply_changes(local, "maps")

    assert indexed(local, "maps")["m/e"].size_bytes == 5
    assert kinds(local, "maps") == [("m/e", "created")]


def test_changes_of_a_large_source_go_into_the_tail_and_are_merged_when_there_are_enough(
    maps: Catalog, bucket, put_objects, s3, monkeypatch
):
    monkeypatch.setattr(upkeep, "SMALL_BYTES", 0)
    monkeypatch.setattr(upkeep, "_FOLD_LEAST_ROWS", 3)
    before = index_rows(maps, "maps")
    put_objects("m/e")
    s3.delete_object(Bucket=bucket, Key="m/a")
    hint(maps, "maps", "m/e", "m/a")

    first = apply_changes(maps, "maps")

    assert first.applied.wrote == "tail"
    assert index_rows(maps, "maps") == before, "the large table is as it was"
    assert sorted(indexed(maps, "maps")) == ["m/b", "m/c", "m/d", "m/e"]
    put_objects("m/f")
    hint(maps, "maps", "m/f")
    apply_changes(maps, "maps")
    assert index_keys(maps, "maps") == ["m/b", "m/c", "m/d", "m/e", "m/f"], "merged"
    put_objects("m/a")
    hint(maps, "maps", "m/a")
    apply_changes(maps, "maps")
    assert sorted(indexed(maps, "maps")) == ["m/a", "m/b", "m/c", "m/d", "m/e", "m/f"]


def test_a_merge_of_the_tail_keeps_when_rows_were_taken_in(
    local: Catalog, put_objects, monkeypatch
):
    monkeypatch.setattr(upkeep, "SMALL_BYTES", 0)
    put_objects("m/e")
    hint(local, "maps", "m/e")
    before = datetime.now(UTC)
    apply_changes(local, "maps")
    after = datetime.now(UTC)

    refresh_index(local, "maps")

    (row,) = [row for row in index_rows(local, "maps") if row["key"] == "m/e"]
    assert before <= row["indexed_at"] <= after


def test_an_event_that_is_applied_while_a_listing_goes_on_is_not_undone_by_it(
    local: Catalog, put_objects, monkeypatch
):
    spool = apply_during_listing(local, put_objects, monkeypatch)

    refresh_index(local, "maps")

    assert spool == ["listed"]
    assert indexed(local, "maps")["m/e"].size_bytes == 5
    assert "m/e" in index_keys(local, "maps")


def apply_during_listing(catalog: Catalog, put_objects, monkeypatch) -> list[str]:
    done: list[str] = []
    original = refresh.spool_listing

    def listed(*arguments):
        spool = original(*arguments)
        put_objects("m/e", body=b"after")
        hint(catalog, "maps", "m/e")
        apply_changes(catalog, "maps")
        done.append("listed")
        return spool

    monkeypatch.setattr(refresh, "spool_listing", listed)
    return done


def test_what_a_listing_repairs_is_in_the_ledger_too(local: Catalog, bucket, put_objects, s3):
    put_objects("m/e")
    s3.delete_object(Bucket=bucket, Key="m/a")

    refresh_index(local, "maps", batch_id="night")

    rows = ledger(local, "maps")
    assert [(r["key"], r["kind"], r["observed_by"], r["batch_id"]) for r in rows] == [
        ("m/a", "deleted", "listing", "night"),
        ("m/e", "created", "listing", "night"),
    ]


def test_a_listing_that_is_killed_before_it_applies_its_repairs_is_finished_by_the_next_run(
    local: Catalog, put_objects, monkeypatch
):
    put_objects("m/e")

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(turns, "take_in", killed)
        with pytest.raises(KeyboardInterrupt):
            refresh_index(local, "maps")
    hint(local, "maps", "m/a")

    apply_changes(local, "maps")

    assert "m/e" in indexed(local, "maps")
    assert kinds(local, "maps") == [("m/e", "created"), ("m/a", "unchanged")]
    assert refresh_index(local, "maps").changed == 0


def test_a_source_that_became_empty_is_listed_with_the_same_care_as_any_other(
    local: Catalog, bucket, s3, put_objects, monkeypatch
):
    """What is created, taken in, deleted and taken in during the listing is not brought back."""
    for key in "abcd":
        s3.delete_object(Bucket=bucket, Key=f"m/{key}")
    refresh_index(local, "maps")
    put_objects("m/k")
    spool = refresh.spool_listing

    def listed(*arguments):
        found = spool(*arguments)
        hint(local, "maps", "m/k")
        apply_changes(local, "maps")
        s3.delete_object(Bucket=bucket, Key="m/k")
        hint(local, "maps", "m/k")
        apply_changes(local, "maps")
        return found

    monkeypatch.setattr(refresh, "spool_listing", listed)

    refresh_index(local, "maps")

    assert indexed(local, "maps") == {}


def test_what_a_listing_has_to_ask_about_and_gets_no_answer_is_asked_about_again(
    local: Catalog, put_objects, monkeypatch
):
    spool = refresh.spool_listing
    denied = AccessDenied("Access is denied.", hint="Grant it.")

    def listed(*arguments):
        put_objects("m/k")
        found = spool(*arguments)
        put_objects("m/k", body=b"newer")
        hint(local, "maps", "m/k")
        apply_changes(local, "maps")
        answer_with(monkeypatch, lambda asked: Asked(asked.key, None, denied))
        return found

    monkeypatch.setattr(refresh, "spool_listing", listed)

    refresh_index(local, "maps")

    assert kinds(local, "maps") == [("m/k", "created"), ("m/k", "failed")]
    pending = read_pending(local, get_source(local, "maps"))
    assert pending is not None
    assert pending.waiting == 1


def test_a_restore_is_recorded_although_a_listing_comes_first(local: Catalog, monkeypatch):
    until = datetime(2026, 1, 5, tzinfo=UTC)

    def restored(asked: Asked) -> Asked:
        assert asked.found is not None
        return replace(asked, found=replace(asked.found, restored_until=until))

    answer_with(monkeypatch, restored)
    hint(local, "maps", "m/a", event="ObjectRestore:Completed")

    refresh_index(local, "maps")

    assert kinds(local, "maps") == [("m/a", "restored")]


def test_the_only_object_of_a_batch_may_fail_without_the_batch(local: Catalog, monkeypatch):
    denied = AccessDenied("Access is denied.", hint="Grant it.")
    answer_with(monkeypatch, lambda asked: Asked(asked.key, None, denied))
    hint(local, "maps", "m/a")

    assert apply_changes(local, "maps").applied.waiting == 1


def test_a_ledger_that_was_replaced_is_said_and_nothing_is_taken_for_applied(
    local: Catalog, put_objects
):
    put_objects("m/e")
    for _ in range(3):
        hint(local, "maps", "m/e", "m/a")
    apply_changes(local, "maps")
    shutil.rmtree(local.table_uri("changes"))
    hint(local, "maps", "m/b")

    with pytest.raises(Unreadable, match="older than the index"):
        apply_changes(local, "maps")


def test_a_compaction_leaves_the_log_that_the_ledger_is_read_by(local: Catalog, monkeypatch):
    monkeypatch.setattr(upkeep, "_MOST_LEDGER_FILES", 2)
    for _ in range(12):
        hint(local, "maps", "m/a")
    log = Path(local.table_uri("changes"), "_delta_log")
    long_ago = time.time() - 40 * 24 * 3600
    for path in log.iterdir():
        os.utime(path, (long_ago, long_ago))

    apply_changes(local, "maps")

    assert len(open_table(local, CHANGES).file_uris()) == 1
    assert (log / f"{1:020}.json").exists()


def test_an_event_that_comes_while_a_listing_repairs_is_left_for_the_next_batch(
    local: Catalog, put_objects, monkeypatch
):
    for _ in range(3):
        hint(local, "maps", "m/a")
        apply_changes(local, "maps")
    put_objects("m/e")
    note_changes = Turn.note_changes

    def meanwhile(turn):
        note_changes(turn)
        put_objects("m/f")
        hint(local, "maps", "m/f")

    monkeypatch.setattr(Turn, "note_changes", meanwhile)
    before = open_table(local, CHANGES).version()

    refresh_index(local, "maps")

    pending = read_pending(local, get_source(local, "maps"))
    assert pending is not None
    assert (pending.hints, pending.first > before) == (1, True), "not the whole ledger again"
    apply_changes(local, "maps")
    assert set(indexed(local, "maps")) == {"m/a", "m/b", "m/c", "m/d", "m/e", "m/f"}


def test_a_listing_leaves_nothing_pending(local: Catalog, put_objects):
    put_objects("m/e")
    hint(local, "maps", "m/a")

    refresh_index(local, "maps")

    assert read_pending(local, get_source(local, "maps")) is None


def test_a_lost_race_for_the_commit_is_run_again(local: Catalog, put_objects, monkeypatch):
    put_objects("m/e")
    hint(local, "maps", "m/e")
    confirm = Turn.confirm
    calls: list[int] = []

    def refused_once(turn):
        calls.append(1)
        if len(calls) == 2:
            raise CommitFailedError("somebody was faster")
        confirm(turn)

    monkeypatch.setattr(Turn, "confirm", refused_once)

    apply_changes(local, "maps")

    assert kinds(local, "maps") == [("m/e", "created")]
    assert "m/e" in indexed(local, "maps")
