"""A full listing and the ledger at the same time: neither undoes or hides what the other knows."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import CHANGES
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.errors import AccessDenied
from s3pipelines.core.index import listings, turns
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.index.turns import Turn
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.storage.heads import Asked
from tests.core.index.hinting import answer_with, hint, indexed, kinds, ledger
from tests.core.index.rows import index_keys


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
    original = listings.spool_listing

    def listed(*arguments):
        spool = original(*arguments)
        put_objects("m/e", body=b"after")
        hint(catalog, "maps", "m/e")
        apply_changes(catalog, "maps")
        done.append("listed")
        return spool

    monkeypatch.setattr(listings, "spool_listing", listed)
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
    spool = listings.spool_listing

    def listed(*arguments):
        found = spool(*arguments)
        hint(local, "maps", "m/k")
        apply_changes(local, "maps")
        s3.delete_object(Bucket=bucket, Key="m/k")
        hint(local, "maps", "m/k")
        apply_changes(local, "maps")
        return found

    monkeypatch.setattr(listings, "spool_listing", listed)

    refresh_index(local, "maps")

    assert indexed(local, "maps") == {}


def test_what_a_listing_has_to_ask_about_and_gets_no_answer_is_asked_about_again(
    local: Catalog, put_objects, monkeypatch
):
    spool = listings.spool_listing
    denied = AccessDenied("Access is denied.", hint="Grant it.")

    def listed(*arguments):
        put_objects("m/k")
        found = spool(*arguments)
        put_objects("m/k", body=b"newer")
        hint(local, "maps", "m/k")
        apply_changes(local, "maps")
        answer_with(monkeypatch, lambda asked: Asked(asked.key, None, denied))
        return found

    monkeypatch.setattr(listings, "spool_listing", listed)

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
