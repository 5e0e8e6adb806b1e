"""Refreshing the index of a source from a real S3 into a catalog on a folder and on S3."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from deltalake import DeltaTable, write_deltalake

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.errors import Busy, InvalidInput, NoSuchBucket, NotFound
from s3pipelines.core.index import commit, listings, upkeep
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.index.turns import Turn
from s3pipelines.core.sources.refreshes import last_refresh
from s3pipelines.core.sources.registry import (
    create_source,
    delete_source,
    get_source,
    update_source,
)
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.index.rows import index_keys, index_rows
from tests.servers import on_every_catalog, on_every_server

ODD_KEYS = [
    "m/a//b.tif",
    "m/spaces in it.JPG",
    "m/plus+plus",
    "m/per%cent",
    "m/per%20cent",
    "m/emoji😀.png",
    "m/'quote'",
    'm/"double".tar.gz',
    "m/a|b",
    "m/back\\slash",
    "m/../up",
    "m/tab\there",
    "m/<script>",
    "m/" + "x" * 1022,
    "m/" + "é" * 511,
]


@on_every_catalog
def test_every_object_of_the_source_becomes_a_row(catalog: Catalog, bucket, put_objects, s3):
    put_objects("maps/one.TIFF", "maps/deep/er/two.png", body=b"12345")
    create_source(catalog, "maps", f"s3://{bucket}/maps")
    before = datetime.now(UTC)

    done = refresh_index(catalog, "maps")

    listed = s3.head_object(Bucket=bucket, Key="maps/one.TIFF")
    row = next(row for row in index_rows(catalog, "maps") if row["key"] == "maps/one.TIFF")
    assert before <= row.pop("indexed_at") <= datetime.now(UTC)
    # Some servers list milliseconds.
    assert row.pop("last_modified").replace(microsecond=0) == listed["LastModified"]
    assert row == {
        "source": "maps",
        "bucket": bucket,
        "key": "maps/one.TIFF",
        "size_bytes": 5,
        "etag": listed["ETag"].strip('"'),
        "version_id": None,
        "storage_class": "STANDARD",
        "extension": "tiff",
    }
    assert (done.rows, done.size_bytes, done.created, done.wrote) == (2, 10, 2, "replacement")


def test_an_unchanged_listing_writes_nothing(local_catalog: Catalog, bucket, put_objects):
    put_objects("a", "b")
    create_source(local_catalog, "all", f"s3://{bucket}")
    first = refresh_index(local_catalog, "all")

    second = refresh_index(local_catalog, "all")

    assert (second.wrote, second.changed) == ("nothing", 0)
    assert second.table_version == first.table_version
    assert (second.rows, second.size_bytes) == (2, 6)


@pytest.mark.parametrize(("share", "way"), [(1.0, "merge"), (0.0, "replacement")])
def test_both_ways_of_writing_take_in_what_was_created_overwritten_and_deleted(
    catalog: Catalog, bucket, put_objects, s3, monkeypatch, share, way
):
    monkeypatch.setattr(commit, "MERGE_UP_TO", share)
    monkeypatch.setattr(upkeep, "SMALL_BYTES", 0)
    put_objects("d'1", "d/2", "d/3", "d/4")
    create_source(catalog, "all", f"s3://{bucket}")
    refresh_index(catalog, "all")
    before = {row["key"]: row for row in index_rows(catalog, "all")}
    put_objects("d'1", "d/9", body=b"other")
    s3.delete_object(Bucket=bucket, Key="d/3")

    done = refresh_index(catalog, "all")

    after = {row["key"]: row for row in index_rows(catalog, "all")}
    assert (done.wrote, done.created, done.overwritten, done.deleted) == (way, 1, 1, 1)
    assert sorted(after) == ["d'1", "d/2", "d/4", "d/9"]
    assert after["d'1"]["size_bytes"] == 5
    assert after["d/2"] == before["d/2"], "an unchanged row keeps the time it was indexed"
    assert after["d'1"]["indexed_at"] > before["d'1"]["indexed_at"]


@on_every_server
@pytest.mark.parametrize("share", [1.0, 0.0])
def test_any_key_survives_the_way_into_the_index(
    local_catalog: Catalog, bucket, put_objects, monkeypatch, share
):
    put_objects("m/first")
    create_source(local_catalog, "odd", f"s3://{bucket}/m")
    refresh_index(local_catalog, "odd")
    monkeypatch.setattr(commit, "MERGE_UP_TO", share * 1000)
    monkeypatch.setattr(upkeep, "SMALL_BYTES", 0)
    put_objects(*ODD_KEYS)

    refresh_index(local_catalog, "odd")

    expected = sorted([*ODD_KEYS, "m/first"], key=lambda key: key.encode())
    assert index_keys(local_catalog, "odd") == expected


def test_a_catalog_may_lie_in_a_folder_with_spaces_and_umlauts(
    tmp_path, moto, bucket, put_objects, monkeypatch
):
    monkeypatch.setattr(commit, "MERGE_UP_TO", 1)
    monkeypatch.setattr(upkeep, "SMALL_BYTES", 0)
    odd = Catalog(FolderLocation(tmp_path / "Ärger mit Leerzeichen"))
    put_objects("a")
    create_source(odd, "all", f"s3://{bucket}")
    refresh_index(odd, "all")
    put_objects("b")

    refresh_index(odd, "all")

    assert index_keys(odd, "all") == ["a", "b"]


def test_a_prefix_means_whole_segments(local_catalog: Catalog, bucket, put_objects):
    put_objects("maps/in", "maps-old/out", "mapsx", "maps")
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")

    refresh_index(local_catalog, "maps")

    assert index_keys(local_catalog, "maps") == ["maps/in"]


def test_folder_markers_and_excluded_keys_are_no_objects_of_the_source(
    local_catalog: Catalog, bucket, put_objects
):
    put_objects("p/a.tif", "p/b.txt", "p/tmp/c.tif", "p/empty.tif")
    put_objects("p/", "p/sub/", "p/x_$folder$", "p/empty.tif", body=b"")
    create_source(
        local_catalog, "p", f"s3://{bucket}/p", include=["*.tif", "*/"], exclude=["tmp/*"]
    )

    refresh_index(local_catalog, "p")

    assert index_keys(local_catalog, "p") == ["p/a.tif", "p/empty.tif"]


def test_what_is_excluded_later_leaves_the_index(local_catalog: Catalog, bucket, put_objects):
    put_objects("a.tif", "a.txt")
    create_source(local_catalog, "all", f"s3://{bucket}")
    refresh_index(local_catalog, "all")
    update_source(local_catalog, "all", "no texts", exclude=["*.txt"])

    done = refresh_index(local_catalog, "all")

    assert (done.deleted, index_keys(local_catalog, "all")) == (1, ["a.tif"])


def test_a_file_that_is_still_being_written_is_left_as_the_index_has_it(
    local_catalog: Catalog, bucket, put_objects
):
    put_objects("old")
    create_source(local_catalog, "all", f"s3://{bucket}")
    refresh_index(local_catalog, "all")
    before = index_rows(local_catalog, "all")
    update_source(local_catalog, "all", "a gateway writes here", settle_s=3600)
    put_objects("old", "new", body=b"not whole yet")

    done = refresh_index(local_catalog, "all")

    assert (done.changed, done.waiting) == (0, 2)
    assert index_rows(local_catalog, "all") == before


def test_sources_do_not_see_each_other(local_catalog: Catalog, bucket, put_objects):
    put_objects("a/1", "b/1", "b/2")
    create_source(local_catalog, "a", f"s3://{bucket}/a")
    create_source(local_catalog, "b", f"s3://{bucket}/b")
    refresh_index(local_catalog, "b")
    refresh_index(local_catalog, "a")

    assert index_keys(local_catalog, "a") == ["a/1"]
    assert index_keys(local_catalog, "b") == ["b/1", "b/2"]


def test_a_source_registered_anew_under_the_same_id_shows_nothing_of_the_old_one(
    local_catalog: Catalog, bucket, put_objects
):
    put_objects("one/1", "two/2")
    create_source(local_catalog, "it", f"s3://{bucket}/one")
    refresh_index(local_catalog, "it")

    delete_source(local_catalog, "it")
    source = create_source(local_catalog, "it", f"s3://{bucket}/two")

    assert index_rows(local_catalog, "it") == []
    assert last_refresh(local_catalog, source) is None
    refresh_index(local_catalog, "it")
    assert index_keys(local_catalog, "it") == ["two/2"]


def test_a_writer_that_was_overtaken_compares_again_and_doubles_nothing(
    local_catalog: Catalog, bucket, put_objects, monkeypatch
):
    """Somebody commits rows of the same source between this refresh's comparison and its write."""
    put_objects("a", "b")
    create_source(local_catalog, "all", f"s3://{bucket}")
    refresh_index(local_catalog, "all")
    put_objects("c", "d")
    confirm = Turn.confirm
    calls: list[int] = []

    def overtaken(turn):
        if not calls:
            _append_row(local_catalog, key="d")
        calls.append(1)
        confirm(turn)

    monkeypatch.setattr(Turn, "confirm", overtaken)

    refresh_index(local_catalog, "all")

    assert index_keys(local_catalog, "all") == ["a", "b", "c", "d"]


def test_a_table_that_never_rests_is_said_and_not_retried_for_ever(
    local_catalog: Catalog, bucket, put_objects, monkeypatch
):
    create_source(local_catalog, "all", f"s3://{bucket}")
    refresh_index(local_catalog, "all")
    put_objects("a")
    confirm = Turn.confirm

    def always_overtaken(turn):
        _append_row(local_catalog, key=f"other {datetime.now(UTC).isoformat()}")
        confirm(turn)

    monkeypatch.setattr(Turn, "confirm", always_overtaken)

    with pytest.raises(Busy, match="was changed 5 times"):
        refresh_index(local_catalog, "all")


def test_a_source_that_is_deleted_during_its_refresh_leaves_no_row(
    local_catalog: Catalog, bucket, put_objects, monkeypatch
):
    put_objects("a")
    create_source(local_catalog, "all", f"s3://{bucket}")
    source = get_source(local_catalog, "all")
    spool = listings.spool_listing

    def deleted_meanwhile(*arguments):
        spooled = spool(*arguments)
        local_catalog.documents.remove("sources/all.json")
        return spooled

    monkeypatch.setattr(listings, "spool_listing", deleted_meanwhile)

    with pytest.raises(NotFound, match="no source 'all'"):
        refresh_index(local_catalog, source.id)
    assert index_rows(local_catalog, "all") == []


def test_a_refresh_of_nothing_known_says_what_to_do(local_catalog: Catalog):
    with pytest.raises(NotFound, match="sources list"):
        refresh_index(local_catalog, "nobody")


def test_a_bucket_that_vanished_leaves_the_index_as_it_was(
    local_catalog: Catalog, s3, bucket, put_objects
):
    put_objects("a")
    create_source(local_catalog, "all", f"s3://{bucket}")
    refresh_index(local_catalog, "all")
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_bucket(Bucket=bucket)

    with pytest.raises(NoSuchBucket, match=bucket):
        refresh_index(local_catalog, "all")
    assert index_keys(local_catalog, "all") == ["a"]


def test_a_catalog_that_is_moved_into_a_source_is_refused_at_the_next_refresh(
    local_catalog: Catalog, s3_catalog: Catalog, bucket
):
    create_source(s3_catalog, "all", f"s3://{bucket}")
    moved = replace(s3_catalog, derivatives=f"s3://{bucket}/derived/{{source}}")

    with pytest.raises(InvalidInput, match="overlaps with the derivatives"):
        refresh_index(moved, "all")


def _append_row(catalog: Catalog, key: str) -> None:
    """Commit one row as another writer would."""
    table: DeltaTable = open_table(catalog, OBJECTS)
    now = datetime.now(UTC)
    row = {
        "source": "all",
        "bucket": "b",
        "key": key,
        "size_bytes": 1,
        "etag": "e",
        "version_id": None,
        "last_modified": now,
        "storage_class": "STANDARD",
        "extension": "",
        "indexed_at": now,
    }
    import pyarrow as pa

    write_deltalake(table, pa.Table.from_pylist([row], schema=OBJECTS.arrow), mode="append")
