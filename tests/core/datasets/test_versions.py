"""Freezing a source as numbered versions, and reading them."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.datasets.comparing import compare_versions
from s3pipelines.core.datasets.describing import describe
from s3pipelines.core.datasets.downloading import Wanted, download
from s3pipelines.core.datasets.drift import find_drift
from s3pipelines.core.datasets.freezing import snapshot
from s3pipelines.core.datasets.registering import Wanted as Registering
from s3pipelines.core.datasets.registering import register
from s3pipelines.core.datasets.states import source_state
from s3pipelines.core.datasets.versions import list_versions
from s3pipelines.core.errors import InvalidInput, NotFound
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source, delete_source, get_source
from s3pipelines.core.sql.object_pages import ObjectsRequest, list_objects
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.sql.session import open_session
from s3pipelines.core.upkeep.optimize import optimize


@pytest.fixture
def maps(catalog: Catalog, bucket: str, put_objects) -> Catalog:
    """A catalog, in a folder and on S3, with the source `maps` of three objects, indexed."""
    create_source(catalog, "maps", f"s3://{bucket}/maps")
    put_objects("maps/a", "maps/b", "maps/c")
    refresh_index(catalog, "maps")
    return catalog


def _change(catalog: Catalog, s3, bucket: str) -> None:
    """Overwrite one object, delete one, add one."""
    s3.put_object(Bucket=bucket, Key="maps/a", Body=b"other")
    s3.delete_object(Bucket=bucket, Key="maps/b")
    s3.put_object(Bucket=bucket, Key="maps/d", Body=b"new")
    refresh_index(catalog, "maps")


def _keys(catalog: Catalog, name: str, **more) -> list[str]:
    page = list_objects(catalog, name, ObjectsRequest(**more))
    return [row["key"] for row in page.rows]


def test_versions_are_numbered_and_stay_as_they_are(maps: Catalog, s3, bucket):
    first = snapshot(maps, "maps", " the beginning ").version
    _change(maps, s3, bucket)
    second = snapshot(maps, "maps").version

    assert (first.name, first.objects, first.size_bytes) == ("maps@1", 3, 9)
    assert (second.number, second.message) == (2, "")
    assert [v.message for v in list_versions(maps, get_source(maps, "maps"))] == [
        "the beginning",
        "",
    ]
    assert _keys(maps, "maps@1") == ["maps/a", "maps/b", "maps/c"]
    assert _keys(maps, "maps@2") == _keys(maps, "maps") == ["maps/a", "maps/c", "maps/d"]
    sizes = list_objects(maps, "maps@1", ObjectsRequest(Selection(where="size_bytes = 3")))
    assert sizes.total == 3
    assert _keys(maps, "maps@1", order="desc", limit=1) == ["maps/c"]


def test_nothing_new_makes_no_new_version(maps: Catalog):
    first, again = snapshot(maps, "maps", "one"), snapshot(maps, "maps", "two")

    assert (first.is_new, again.is_new) == (True, False)
    assert again.version == first.version


def test_two_at_once_get_numbers_of_their_own(maps: Catalog, monkeypatch):
    barrier, made = threading.Barrier(2), []
    monkeypatch.setattr("s3pipelines.core.datasets.freezing._is_same", lambda *_: False)

    def make() -> None:
        barrier.wait()
        made.append(snapshot(maps, "maps").version.number)

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(made) == [1, 2]


def test_a_snapshot_that_was_interrupted_does_not_exist(maps: Catalog, monkeypatch, s3, bucket):
    with monkeypatch.context() as patch:
        patch.setattr(
            "s3pipelines.core.datasets.freezing._numbered",
            lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            snapshot(maps, "maps")

    assert list_versions(maps, get_source(maps, "maps")) == []
    [left] = maps.documents.names("version_files/maps/")
    # A day later, what was left is removed; what a version names stays.
    monkeypatch.setattr("s3pipelines.core.datasets.freezing._UNDER_WAY", timedelta(days=-1))
    assert snapshot(maps, "maps").version.number == 1
    assert left not in maps.documents.names("version_files/maps/")
    _change(maps, s3, bucket)
    snapshot(maps, "maps")
    assert len(maps.documents.names("version_files/maps/")) == 2


def _row(bucket: str, key: str) -> dict[str, object]:
    now = datetime.now(UTC)
    told = {"bucket": bucket, "key": key, "size_bytes": 1, "etag": "e", "storage_class": "STANDARD"}
    return {**told, "source": "maps", "extension": "", "last_modified": now, "indexed_at": now}


def test_many_objects_are_several_files_and_one_list(local_catalog, bucket, monkeypatch):
    monkeypatch.setattr("s3pipelines.core.datasets.freezing._FILE_ROWS", 2)
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    ensure_table(local_catalog, OBJECTS)
    for number in range(5):
        append_rows(local_catalog, OBJECTS, [_row(bucket, f"maps/{number}")])

    version = snapshot(local_catalog, "maps").version

    assert len(version.files) > 1
    assert sum(file.rows for file in version.files) == version.objects == 5
    assert _keys(local_catalog, "maps@1") == [f"maps/{number}" for number in range(5)]


def test_versions_outlive_the_states_of_the_index(maps: Catalog, s3, bucket):
    snapshot(maps, "maps")
    _change(maps, s3, bucket)
    optimize(maps, timedelta(0))

    assert _keys(maps, "maps@1") == ["maps/a", "maps/b", "maps/c"]


def test_sql_reads_a_version_by_its_name(maps: Catalog, s3, bucket):
    snapshot(maps, "maps")
    _change(maps, s3, bucket)

    with open_session(maps) as session:
        query = (
            "SELECT key FROM objects_at('maps@1') AS old "
            "WHERE key NOT IN (SELECT key FROM objects) ORDER BY key"
        )
        assert session.run(query).read_all().to_pydict() == {"key": ["maps/b"]}
        count = session.run("SELECT count(*) AS n FROM objects_at( 'maps@1' )").read_all()
        assert count.to_pydict() == {"n": [3]}
        for call, words in (
            ("objects_at('maps')", "or ID@VERSION"),
            ("objects_at('maps@9')", "no version maps@9"),
            ("objects_at('maps@x')", "names no version"),
        ):
            with pytest.raises((InvalidInput, NotFound), match=words):
                session.run(f"FROM {call}")


def test_the_difference_of_two_versions(maps: Catalog, s3, bucket):
    snapshot(maps, "maps")
    _change(maps, s3, bucket)
    snapshot(maps, "maps")

    for after in ("maps@2", "maps"):
        with compare_versions(maps, "maps@1", after) as found:
            assert found.counts == {"created": 1, "overwritten": 1, "transitioned": 0, "deleted": 1}
            assert [(row["kind"], row["key"]) for row in found.rows()] == [
                ("overwritten", "maps/a"),
                ("deleted", "maps/b"),
                ("created", "maps/d"),
            ]
    with compare_versions(maps, "maps@2", "maps@2") as found:
        assert found.changed == 0


@pytest.mark.parametrize("ask", [False, True])
def test_drift_tells_which_members_are_gone_or_replaced(maps: Catalog, s3, bucket, ask):
    snapshot(maps, "maps")
    with find_drift(maps, "maps@1", ask=ask) as (_, drifted):
        assert list(drifted) == []
    _change(maps, s3, bucket)

    with find_drift(maps, "maps@1", ask=ask) as (_, drifted):
        found = {(one.key, one.kind): one.etag_now for one in drifted}

    assert found.keys() == {("maps/a", "overwritten"), ("maps/b", "deleted")}
    now = s3.head_object(Bucket=bucket, Key="maps/a")["ETag"].strip('"')
    assert found["maps/a", "overwritten"] == now
    with pytest.raises(InvalidInput, match="names no version"), find_drift(maps, "maps"):
        pass


def test_members_that_were_covered_are_downloaded_where_the_bucket_keeps_them(
    local_catalog, bucket, s3, put_objects, tmp_path
):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    put_objects("maps/a", "maps/b", "maps/c")
    refresh_index(local_catalog, "maps")
    snapshot(local_catalog, "maps")
    _change(local_catalog, s3, bucket)

    done = download(local_catalog, Wanted("maps@1", tmp_path / "here"))

    assert (done.downloaded, done.failed) == (3, [])
    assert {n: (tmp_path / "here" / n).read_bytes() for n in "abc"} == dict.fromkeys("abc", b"123")


def test_members_that_are_lost_are_failed_rows(maps: Catalog, s3, bucket, tmp_path):
    snapshot(maps, "maps")
    _change(maps, s3, bucket)

    done = download(maps, Wanted("maps@1", tmp_path / "here"))

    assert done.downloaded == 1
    assert sorted((one.key, one.error) for one in done.failed) == [
        ("maps/a", "gone"),
        ("maps/b", "gone"),
    ]
    assert "was overwritten since maps@1 was made" in str(done.failed)
    states = {row["name"]: row["state"] for row in describe(maps, "maps@1")}
    assert states == {"a": "changed", "b": "gone", "c": "as_described"}


def test_a_registration_does_not_replace_members_unless_told(maps: Catalog, s3, bucket, tmp_path):
    snapshot(maps, "maps")
    path = tmp_path / "a"
    path.write_bytes(b"other")
    wanted = Registering("maps", [path], overwrite=True)

    [refused] = register(maps, wanted).failed

    assert (refused.error, "a member of maps@1" in (refused.detail or "")) == ("pinned", True)
    assert s3.get_object(Bucket=bucket, Key="maps/a")["Body"].read() == b"123"
    told = replace(wanted, break_versions=True)
    assert register(maps, told).counts == {"replaced": 1}
    path.write_bytes(b"once more")
    assert register(maps, wanted).counts == {"replaced": 1}


def test_an_empty_index_is_not_frozen(local_catalog, bucket):
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")

    with pytest.raises(InvalidInput, match="index refresh --source maps"):
        snapshot(local_catalog, "maps")


def test_numbers_are_not_given_twice_when_an_id_is_registered_anew(maps: Catalog, bucket):
    snapshot(maps, "maps")
    delete_source(maps, "maps")
    create_source(maps, "maps", f"s3://{bucket}/maps")
    refresh_index(maps, "maps")

    assert snapshot(maps, "maps").version.number == 2
    with pytest.raises(NotFound, match="an earlier registration"):
        source_state(maps, "maps@1")


@pytest.mark.parametrize("name", ["maps@", "maps@0", "maps@-1", "maps@1.5", "maps@1@2", "maps@x"])
def test_what_is_no_number_is_refused(local_catalog, bucket, name):
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")

    with pytest.raises(InvalidInput, match="names no version"):
        source_state(local_catalog, name)
