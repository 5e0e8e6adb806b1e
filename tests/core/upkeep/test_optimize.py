"""Upkeep: files in order, no row changed, and nobody who writes meanwhile loses anything."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import CHANGES, IMAGES, OBJECTS, REJECTED
from s3pipelines.core.catalog.tables import ensure_table, forget_source, open_table
from s3pipelines.core.errors import NotFound
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.leases import index_lease
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.leases import hold
from s3pipelines.core.upkeep import rewriting
from s3pipelines.core.upkeep.files import Place, with_spans
from s3pipelines.core.upkeep.layout import overlap_depth, worth_rewriting
from s3pipelines.core.upkeep.optimize import optimize
from s3pipelines.core.upkeep.report import Kept, Upkeep
from tests.core.index.hinting import hint
from tests.core.upkeep.tables import add_objects, files_on_disk, keys_of, rows_of

MONTH = timedelta(days=30)
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def maps(catalog: Catalog, bucket: str) -> Catalog:
    """A catalog with an empty source `maps`."""
    create_source(catalog, "maps", f"s3://{bucket}/maps")
    return catalog


@pytest.fixture
def local(local_catalog: Catalog, bucket: str) -> Catalog:
    """The same in a folder."""
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    return local_catalog


def part(upkeep: Upkeep, table: str, source: str = "maps") -> Kept:
    (found,) = (p for p in upkeep.parts if (p.table, p.source) == (table, source))
    return found


def depth(catalog: Catalog, schema=OBJECTS) -> int:
    place = Place(catalog, schema, "maps")
    with connect(catalog) as connection:
        return overlap_depth(with_spans(connection, place, place.files()))


def attempt(key: str, etag: str = "1", **columns) -> dict[str, object]:
    given = {"source": "maps", "key": key, "etag": etag, "read_at": AT, "reader_version": "v1"}
    return dict.fromkeys(IMAGES.column_names) | given | columns


def test_overlapping_files_become_sorted_ones_with_the_same_rows(maps: Catalog):
    add_objects(maps, "maps", 3000, files=3, shuffled=True)
    add_objects(maps, "other", 10, files=2)
    before = rows_of(maps, "objects")
    assert depth(maps) == 3

    done = part(optimize(maps, MONTH), "objects")

    assert (done.error, done.files_before, done.files_after, done.rewritten_files) == ("", 3, 1, 3)
    assert depth(maps) == 1
    assert rows_of(maps, "objects") == before
    assert len(Place(maps, OBJECTS, "other").files()) == 2, "it is no source"


def test_a_second_run_finds_nothing_to_do(local: Catalog):
    add_objects(local, "maps", 3000, files=3)
    ensure_table(local, CHANGES)
    append_rows(local, CHANGES, [observation()])
    optimize(local, MONTH)
    versions = [open_table(local, schema).version() for schema in (OBJECTS, CHANGES)]

    again = optimize(local, MONTH)

    assert [p.rewritten_files for p in again.parts] == [0] * len(again.parts)
    assert [open_table(local, s).version() for s in (OBJECTS, CHANGES)] == versions


def test_a_large_source_becomes_files_of_good_size_that_are_left_alone(local: Catalog):
    small = replace(local, memory_limit_mb=64)
    add_objects(local, "maps", 400_000, files=4, shuffled=True)

    done = part(optimize(small, MONTH), "objects")

    place = Place(local, OBJECTS, "maps")
    with connect(local) as connection:
        files = with_spans(connection, place, place.files())
    assert done.error == ""
    assert sum(file.rows for file in files) == 400_000
    assert len(files) > 1
    assert worth_rewriting(files) == []


@pytest.mark.parametrize("odd", ["ü\n%25+'\"", "a" * 200, "ÿ" * 90, "\x00\x7f"])
def test_files_with_odd_keys_are_found_to_be_in_order(local: Catalog, odd: str):
    ensure_table(local, IMAGES)
    for name in ("b", "a"):
        append_rows(local, IMAGES, [attempt(f"maps/{odd}{name}"), attempt(f"maps/{odd}{name}2")])

    optimize(local, MONTH)
    keys = keys_of(local, "images")

    assert part(optimize(local, MONTH), "images").rewritten_files == 0
    assert keys == sorted(f"maps/{odd}{name}" for name in ("a", "a2", "b", "b2"))


def test_what_is_appended_meanwhile_stays(local: Catalog, monkeypatch: pytest.MonkeyPatch):
    ensure_table(local, IMAGES)
    append_rows(local, IMAGES, [attempt("b")])
    append_rows(local, IMAGES, [attempt("a")])
    place_file = rewriting.place_file

    def slowly(*arguments) -> None:
        append_rows(local, IMAGES, [attempt("c")])
        place_file(*arguments)

    monkeypatch.setattr(rewriting, "place_file", slowly)

    assert part(optimize(local, MONTH), "images").error == ""
    assert keys_of(local, "images") == ["a", "b", "c"]
    assert len(Place(local, IMAGES, "maps").files()) == 2


def test_rows_that_are_removed_meanwhile_do_not_come_back(
    local: Catalog, monkeypatch: pytest.MonkeyPatch
):
    add_objects(local, "maps", 100, files=2)
    place_file = rewriting.place_file

    def slowly(*arguments) -> None:
        place_file(*arguments)
        forget_source(local, OBJECTS, "maps")

    monkeypatch.setattr(rewriting, "place_file", slowly)

    done = part(optimize(local, MONTH), "objects")

    assert "was changed while" in done.error
    assert rows_of(local, "objects") == []


def test_a_merge_of_another_source_meanwhile_does_no_harm(
    local: Catalog, monkeypatch: pytest.MonkeyPatch
):
    add_objects(local, "maps", 100, files=2)
    add_objects(local, "other", 100)
    confirmed = rewriting.Place.files

    def slowly(place: Place, table=None):
        if table is not None:
            forget_source(local, OBJECTS, "other")
        return confirmed(place, table)

    monkeypatch.setattr(rewriting.Place, "files", slowly)

    assert part(optimize(local, MONTH), "objects").error == ""
    assert (len(rows_of(local, "objects")), rows_of(local, "objects", "other")) == (100, [])


def test_tries_that_were_overtaken_long_ago_go_and_what_decides_stays(local: Catalog):
    ensure_table(local, IMAGES)
    now = datetime.now(UTC)
    old = [attempt("a", error="denied", read_at=AT + timedelta(hours=n)) for n in range(40)]
    append_rows(local, IMAGES, old)
    append_rows(local, IMAGES, [attempt("a", error="timeout", read_at=AT + timedelta(hours=1))])
    append_rows(local, IMAGES, [attempt("a", read_at=now), attempt("a", "2", read_at=AT)])
    shown = rows_of(local, "images")

    optimize(local, MONTH)

    kept = open_table(local, IMAGES).to_pyarrow_dataset().to_table().to_pylist()
    reasons = [row["error"] for row in kept]
    assert rows_of(local, "images") == shown
    assert (reasons.count("denied"), reasons.count("timeout"), len(kept)) == (16, 1, 19)


def test_the_tail_of_a_source_and_its_ledger_are_compacted(
    local: Catalog, bucket: str, put_objects, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("s3pipelines.core.index.upkeep.SMALL_BYTES", 0)
    monkeypatch.setattr("s3pipelines.core.index.upkeep._FOLD_LEAST_ROWS", 3)
    put_objects(*(f"maps/{n:03}" for n in range(10)))
    refresh_index(local, "maps")
    for key in ("maps/new1", "maps/new2"):
        put_objects(key)
        hint(local, "maps", key)
        apply_changes(local, "maps")
    before = rows_of(local, "objects")

    done = optimize(local, MONTH)

    assert (part(done, "objects_tail").files_before, part(done, "objects_tail").files_after) == (
        2,
        1,
    )
    assert part(done, "changes").files_after == 1
    assert rows_of(local, "objects") == before
    put_objects("maps/new3")
    hint(local, "maps", "maps/new3")
    assert apply_changes(local, "maps").applied.changes["created"] == 1


def test_messages_that_were_rejected_are_compacted_too(local: Catalog):
    ensure_table(local, REJECTED)
    for number in range(3):
        row = {"id": str(number), "mailbox": "q", "reason": "r", "text": "t", "received_at": AT}
        append_rows(local, REJECTED, [row])

    upkeep = optimize(local, MONTH)

    compacted = [p for p in upkeep.parts if p.table == "rejected" and p.rewritten_files]
    assert [(p.files_before, p.files_after) for p in compacted] == [(3, 1)]
    assert open_table(local, REJECTED).to_pyarrow_dataset().count_rows() == 3


def test_a_source_that_somebody_works_on_is_named_and_the_others_are_done(
    local: Catalog, bucket: str
):
    create_source(local, "scans", f"s3://{bucket}/scans")
    for source_id in ("maps", "scans"):
        add_objects(local, source_id, 100, files=2)

    with hold(local.documents, index_lease("maps"), "A long test"):
        upkeep = optimize(local, MONTH, wait_s=0)

    (failed,) = upkeep.failures
    assert (failed.table, failed.source) == ("objects", "maps")
    assert "A long test is running already" in failed.error
    assert part(upkeep, "objects", "scans").files_after == 1


def test_one_source_alone_is_put_in_order_and_nothing_is_removed(local: Catalog):
    add_objects(local, "maps", 100, files=2)
    files = files_on_disk(local, "objects")

    upkeep = optimize(local, timedelta(0), source_id="maps")

    assert {p.source for p in upkeep.parts} == {"maps"}
    assert set(files) < set(files_on_disk(local, "objects"))
    with pytest.raises(NotFound):
        optimize(local, MONTH, source_id="nobody")


def test_an_empty_catalog_needs_no_upkeep(local_catalog: Catalog):
    assert optimize(local_catalog, MONTH).parts == ()


def observation() -> dict[str, object]:
    known = {"source": "maps", "id": uuid.uuid4().hex, "key": "maps/a", "kind": "unchanged"}
    seen = {"observed_at": AT, "observed_by": "event"}
    return dict.fromkeys(CHANGES.column_names) | known | seen
