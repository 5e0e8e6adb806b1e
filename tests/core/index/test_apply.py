"""Applying the ledger: S3 is asked, the answer is recorded, what changed is in the index once."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import CHANGES, OBJECTS
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.errors import AccessDenied, Unreachable, Unreadable
from s3pipelines.core.index import answers, turns, upkeep
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, get_source, update_source
from s3pipelines.core.storage.heads import Asked
from s3pipelines.core.storage.listing.pages import ListingPage
from tests.core.index.hinting import answer_with, hint, indexed, kinds, ledger
from tests.core.index.rows import index_keys, index_rows

NOTHING = dict.fromkeys(("created", "overwritten", "transitioned", "deleted"), 0)


def test_hints_become_changes_without_a_listing(
    maps: Catalog, bucket, put_objects, s3, monkeypatch
):
    put_objects("m/e", "m/a", body=b"12345")
    s3.delete_object(Bucket=bucket, Key="m/b")
    hint(maps, "maps", "m/a", "m/b", "m/c", "m/e", "m/never-there")
    monkeypatch.setattr("s3pipelines.core.index.spool.list_parts", None)

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
