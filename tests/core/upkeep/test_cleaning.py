"""Removing old versions: what a reader still needs stays, whatever its age."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from deltalake import CommitProperties, Transaction, write_deltalake

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import CHANGES, IMAGES, OBJECTS
from s3pipelines.core.catalog.tables import NO_CLEANUP, ensure_table, open_table
from s3pipelines.core.detection.ledger import load_observations
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, get_source
from s3pipelines.core.storage.locations import FolderLocation
from s3pipelines.core.upkeep import rewriting
from s3pipelines.core.upkeep.cleaning import clean
from s3pipelines.core.upkeep.optimize import optimize
from tests.core.index.hinting import hint, indexed
from tests.core.upkeep.tables import add_objects, files_on_disk, rows_of

MONTH, DAY, NOW = timedelta(days=30), timedelta(days=1), timedelta(0)


@pytest.fixture
def maps(local_catalog: Catalog, bucket: str, put_objects) -> Catalog:
    """A source `maps` of two objects, whose index is up to date."""
    put_objects("m/a", "m/b")
    create_source(local_catalog, "maps", f"s3://{bucket}/m")
    refresh_index(local_catalog, "maps")
    return local_catalog


def log_of(catalog: Catalog, table: str) -> list[Path]:
    assert isinstance(catalog.location, FolderLocation)
    return sorted((catalog.location.path / "tables" / table / "_delta_log").glob("*.json"))


def age(*files: Path, days: float) -> None:
    """Make files look as if they had been written long ago."""
    then = time.time() - days * 86400
    for file in files:
        os.utime(file, (then, then))


def observed(catalog: Catalog, first: int) -> int:
    with connect(catalog) as connection:
        load_observations(connection, catalog, open_table(catalog, CHANGES), "maps", first)
        return connection.execute("SELECT count(*) FROM observations").fetchall()[0][0]


def test_files_that_were_replaced_stay_for_as_long_as_is_asked(local_catalog: Catalog, bucket):
    create_source(local_catalog, "maps", f"s3://{bucket}/m")
    add_objects(local_catalog, "maps", 100, files=3)
    replaced = files_on_disk(local_catalog, "objects")
    age(*replaced, days=100)

    for _ in range(2):  # The second time, what was removed is known by a checkpoint only.
        kept = optimize(local_catalog, MONTH)
        assert sum(part.removed_files for part in kept.parts) == 0
    before = rows_of(local_catalog, "objects")
    old = open_table(local_catalog, OBJECTS, version=3)
    assert old.to_pyarrow_dataset().count_rows() == 100

    removed = clean(local_catalog, OBJECTS, NOW)

    assert removed.files == 3
    assert removed.size_bytes > 1000
    assert not set(replaced) & set(files_on_disk(local_catalog, "objects"))
    assert rows_of(local_catalog, "objects") == before


def test_a_checkpoint_does_not_forget_what_is_to_be_kept(
    local_catalog: Catalog, bucket: str, monkeypatch: pytest.MonkeyPatch
):
    create_source(local_catalog, "maps", f"s3://{bucket}/m")
    add_objects(local_catalog, "maps", 100, files=3)
    replaced = files_on_disk(local_catalog, "objects")
    age(*replaced, days=200)
    then = time.time() - 40 * 86400
    monkeypatch.setattr(rewriting, "time", SimpleNamespace(time=lambda: then))

    for _ in range(3):
        kept = optimize(local_catalog, timedelta(days=100))
        assert sum(part.removed_files for part in kept.parts) == 0

    assert set(replaced) < set(files_on_disk(local_catalog, "objects"))
    assert clean(local_catalog, OBJECTS, MONTH).files == 3


def test_what_a_killed_writer_left_is_removed_once_it_is_old(local_catalog: Catalog):
    add_objects(local_catalog, "maps", 10)
    (file,) = files_on_disk(local_catalog, "objects")
    young, old = file.with_name("part-young.parquet"), file.with_name("part-old.parquet")
    for left in (young, old):
        left.write_bytes(b"torn")
    age(file, old, days=2)

    assert clean(local_catalog, OBJECTS, DAY).files == 1
    assert files_on_disk(local_catalog, "objects") == sorted([file, young])


def test_a_table_from_which_nothing_is_to_be_removed_gets_no_commit(maps: Catalog):
    version = open_table(maps, OBJECTS).version()

    clean(maps, OBJECTS, MONTH)

    assert open_table(maps, OBJECTS).version() == version


def test_the_log_becomes_short_and_the_marks_of_writers_stay(local_catalog: Catalog):
    ensure_table(local_catalog, IMAGES)
    for number in range(12):
        table = open_table(local_catalog, IMAGES)
        row = dict.fromkeys(IMAGES.column_names, None)
        row |= {"source": "maps", "key": f"{number}", "etag": "1", "reader_version": "v"}
        write_deltalake(
            table,
            pa.Table.from_pylist([row | {"read_at": datetime.now(UTC)}], IMAGES.arrow),
            mode="append",
            commit_properties=CommitProperties(app_transactions=[Transaction("ledger/maps", 7)]),
            post_commithook_properties=NO_CLEANUP,
        )
    shown = rows_of(local_catalog, "images")
    age(*log_of(local_catalog, "images"), days=40)

    clean(local_catalog, IMAGES, MONTH)
    clean(local_catalog, IMAGES, NOW)

    assert len(log_of(local_catalog, "images")) < 5
    assert open_table(local_catalog, IMAGES).transaction_version("ledger/maps") == 7
    assert rows_of(local_catalog, "images") == shown


def test_an_update_of_the_index_goes_on_behind_upkeep(maps: Catalog, put_objects, bucket):
    for number in range(3):
        put_objects(f"m/new{number}")
        hint(maps, "maps", f"m/new{number}")
        apply_changes(maps, "maps")
        optimize(maps, NOW)
    put_objects("m/last")
    hint(maps, "maps", "m/last")

    assert apply_changes(maps, "maps").applied.changes["created"] == 1
    assert len(indexed(maps, "maps")) == 6
    refreshed = refresh_index(maps, "maps")
    assert (refreshed.changed, refreshed.rows) == (0, 6)


def test_what_is_open_in_the_ledger_can_still_be_read_after_everything_was_removed(
    maps: Catalog, put_objects
):
    hint(maps, "maps", "m/old")
    apply_changes(maps, "maps")
    for number in range(15):
        hint(maps, "maps", f"m/{number}")
    pending = read_pending(maps, get_source(maps, "maps"))
    assert pending is not None
    before = observed(maps, pending.first)
    age(*log_of(maps, "changes"), days=100)
    age(*files_on_disk(maps, "changes"), days=100)

    optimize(maps, NOW)
    upkeep = optimize(maps, NOW)

    (ledger,) = (part for part in upkeep.parts if (part.table, part.source) == ("changes", ""))
    assert "open for longer" in ledger.note
    assert observed(maps, pending.first) == before == 15
    put_objects(*(f"m/{number}" for number in range(15)))
    assert apply_changes(maps, "maps").applied.changes["created"] == 15


def test_once_nothing_is_open_the_log_of_the_ledger_becomes_short_too(maps: Catalog):
    for number in range(12):
        hint(maps, "maps", f"m/{number}")
    apply_changes(maps, "maps")
    age(*log_of(maps, "changes"), days=100)
    optimize(maps, NOW)
    known = len(log_of(maps, "changes"))

    upkeep = optimize(maps, NOW)

    assert upkeep.failures == ()
    assert known < 12
    assert len(rows_of(maps, "changes")) == 24, "its rows are history, and stay"


def test_the_log_of_the_ledger_stays_while_a_registration_cannot_be_read(maps: Catalog):
    maps.documents.put("sources/torn.json", b"{")
    for number in range(12):
        append_rows(maps, CHANGES, [_observation(number)])
    log = log_of(maps, "changes")
    age(*log, days=100)

    assert clean(maps, CHANGES, NOW).log_is_kept
    assert set(log) <= set(log_of(maps, "changes"))


def _observation(number: int) -> dict[str, object]:
    known = {"source": "maps", "id": f"{number}", "key": "m/a", "kind": "unchanged"}
    seen = {"observed_at": datetime.now(UTC), "observed_by": "event"}
    return dict.fromkeys(CHANGES.column_names) | known | seen
