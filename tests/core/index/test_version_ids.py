"""Sources that ask for version ids: what is in the index, and what counts as a change."""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.errors import StorageError
from s3pipelines.core.index import commit, upkeep
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.index.state_differences import compare_states
from s3pipelines.core.sources.registry import create_source, get_source, update_source
from s3pipelines.core.storage.heads import Asked
from tests.core.index.hinting import answer_with, hint, indexed, kinds, ledger
from tests.core.index.reports import ReportOf, rows_of_bucket
from tests.core.index.rows import index_rows
from tests.core.storage.fake_s3 import bucket_of, fake_s3

Put = Callable[..., str]


@pytest.fixture
def put(s3, bucket: str) -> Put:
    """Write an object into the bucket, which keeps versions; returns the id of its version."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def put(key: str, body: bytes = b"123") -> str:
        made = s3.put_object(Bucket=bucket, Key=key, Body=body)
        time.sleep(0.002)  # The server puts versions of one millisecond into any order.
        return made["VersionId"]

    return put


@pytest.fixture
def maps(local_catalog: Catalog, bucket: str, put: Put) -> Catalog:
    """A source `maps` of three objects, listed with versions."""
    for key in ("m/a", "m/b", "m/b", "m/c"):
        put(key)
    create_source(local_catalog, "maps", f"s3://{bucket}/m", versions=True)
    refresh_index(local_catalog, "maps")
    return local_catalog


def _ids(catalog: Catalog, source_id: str = "maps") -> dict[str, str | None]:
    return {key: state.version_id for key, state in indexed(catalog, source_id).items()}


def _on_s3(s3: Any, bucket: str) -> dict[str, str]:
    found = s3.list_object_versions(Bucket=bucket, Prefix="m/").get("Versions", [])
    return {entry["Key"]: entry["VersionId"] for entry in found if entry["IsLatest"]}


def _states(catalog: Catalog, source_id: str) -> list[dict[str, Any]]:
    given = ("source", "indexed_at")
    rows = index_rows(catalog, source_id)
    return [{name: value for name, value in row.items() if name not in given} for row in rows]


def test_the_first_listing_takes_the_ids_of_the_latest_versions_in(maps: Catalog, s3, bucket: str):
    assert set(_ids(maps)) == {"m/a", "m/b", "m/c"}
    assert _ids(maps) == _on_s3(s3, bucket)


def test_without_the_option_no_id_is_in_the_index(local_catalog: Catalog, bucket: str, put: Put):
    put("m/a")
    create_source(local_catalog, "plain", f"s3://{bucket}/m")
    refresh_index(local_catalog, "plain")
    put("m/a", b"another")
    hint(local_catalog, "plain", "m/a")
    apply_changes(local_catalog, "plain")

    assert _ids(local_catalog, "plain") == {"m/a": None}
    (row,) = ledger(local_catalog, "plain")
    assert row["version_id"] is not None, "the ledger tells what S3 said"


@pytest.mark.parametrize("small_bytes", [0, upkeep.SMALL_BYTES])
def test_the_ledger_and_a_listing_lead_to_the_same_rows(
    maps: Catalog, s3, bucket: str, put: Put, small_bytes: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(upkeep, "SMALL_BYTES", small_bytes)
    create_source(maps, "listed", f"s3://{bucket}/m", versions=True)
    refresh_index(maps, "listed")
    put("m/a", b"another")
    put("m/d")
    s3.delete_object(Bucket=bucket, Key="m/c")
    hint(maps, "maps", "m/a", "m/b", "m/c", "m/d")

    apply_changes(maps, "maps")
    by_ledger = _ids(maps)
    refresh_index(maps, "maps")
    refresh_index(maps, "listed")

    assert by_ledger == _ids(maps) == _on_s3(s3, bucket)
    assert _states(maps, "maps") == _states(maps, "listed")
    expected = [("m/a", "overwritten"), ("m/c", "deleted"), ("m/d", "created")]
    assert kinds(maps, "listed") == expected
    assert kinds(maps, "maps") == sorted([*expected, ("m/b", "unchanged")])
    told = {row["key"]: row["version_id"] for row in ledger(maps, "listed")}
    assert told == {"m/a": by_ledger["m/a"], "m/c": None, "m/d": by_ledger["m/d"]}


@pytest.mark.parametrize("by", ["ledger", "listing"])
def test_an_overwrite_with_the_same_content_is_a_change(
    maps: Catalog, put: Put, by: str, monkeypatch: pytest.MonkeyPatch
):
    same = indexed(maps, "maps")["m/a"]
    made = put("m/a")

    def at_that_time(asked: Asked) -> Asked:
        assert asked.found is not None
        return replace(asked, found=replace(asked.found, last_modified=same.last_modified))

    answer_with(monkeypatch, at_that_time)
    if by == "ledger":
        hint(maps, "maps", "m/a")
        apply_changes(maps, "maps")
    else:
        refresh_index(maps, "maps")

    assert kinds(maps, "maps") == [("m/a", "overwritten")]
    assert (indexed(maps, "maps")["m/a"].version_id, made) == (made, _ids(maps)["m/a"])


def test_what_did_not_change_stays_so_whoever_is_asked(maps: Catalog):
    for _ in range(2):
        hint(maps, "maps", "m/a", "m/b", "m/c")
        apply_changes(maps, "maps")
        done = refresh_index(maps, "maps")
        assert (done.changed, done.wrote) == (0, "nothing")

    assert {kind for _, kind in kinds(maps, "maps")} == {"unchanged"}


def test_the_latest_version_of_many_is_indexed_and_a_delete_marker_is_no_object(
    maps: Catalog, s3, bucket: str, put: Put
):
    for number in range(20):
        put("m/many", str(number).encode())
    for _ in range(3):
        put("m/gone")
        s3.delete_object(Bucket=bucket, Key="m/gone")

    refresh_index(maps, "maps")

    assert _ids(maps) == _on_s3(s3, bucket)
    assert "m/gone" not in _ids(maps)


def test_a_version_that_is_current_again_is_a_change(maps: Catalog, s3, bucket: str):
    before = _ids(maps)["m/b"]
    s3.delete_object(Bucket=bucket, Key="m/b", VersionId=before)

    refresh_index(maps, "maps")

    assert _ids(maps)["m/b"] == _on_s3(s3, bucket)["m/b"] != before
    assert kinds(maps, "maps") == [("m/b", "overwritten")]


def test_what_was_written_before_the_bucket_kept_versions_has_the_id_null(
    local_catalog: Catalog, s3, bucket: str, put_objects
):
    put_objects("m/a", "m/b")
    create_source(local_catalog, "maps", f"s3://{bucket}/m", versions=True)
    refresh_index(local_catalog, "maps")
    assert _ids(local_catalog) == {"m/a": None, "m/b": None}
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    made = s3.put_object(Bucket=bucket, Key="m/b", Body=b"newer")["VersionId"]
    hint(local_catalog, "maps", "m/a", "m/b")

    apply_changes(local_catalog, "maps")
    done = refresh_index(local_catalog, "maps")

    assert done.changed == 0
    assert _ids(local_catalog) == {"m/a": "null", "m/b": made}


class TestTurnedOnAndOff:
    @pytest.fixture(params=["small", "merged", "replaced", "tail"])
    def plain(
        self,
        request: pytest.FixtureRequest,
        local_catalog: Catalog,
        bucket: str,
        put: Put,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Catalog:
        """A source `maps` without versions, written in one of several ways."""
        if request.param != "small":
            monkeypatch.setattr(upkeep, "SMALL_BYTES", 0)
            share = 1e9 if request.param == "merged" else 0.0
            monkeypatch.setattr(commit, "MERGE_UP_TO", share)
        for key in ("m/a", "m/b", "m/c"):
            put(key)
        create_source(local_catalog, "maps", f"s3://{bucket}/m")
        refresh_index(local_catalog, "maps")
        if request.param == "tail":
            put("m/b", b"another")
            put("m/d")
            hint(local_catalog, "maps", "m/b", "m/d")
            assert apply_changes(local_catalog, "maps").applied.wrote == "tail"
        return local_catalog

    def test_the_ids_come_and_go_and_nothing_of_it_is_a_change(
        self, plain: Catalog, s3, bucket: str
    ):
        rows = index_rows(plain, "maps")
        told = len(ledger(plain, "maps"))
        update_source(plain, "maps", "ids are wanted", versions=True)

        on = refresh_index(plain, "maps")
        assert (on.changed, on.wrote != "nothing") == (0, True)
        assert _ids(plain) == _on_s3(s3, bucket)
        again = refresh_index(plain, "maps")
        assert again.wrote == "nothing"

        update_source(plain, "maps", "no longer", versions=False)
        off = refresh_index(plain, "maps")
        assert (off.changed, off.wrote) == (0, "replacement")
        assert set(_ids(plain).values()) == {None}
        assert refresh_index(plain, "maps").wrote == "nothing"

        assert len(ledger(plain, "maps")) == told
        times = {row["key"]: row["indexed_at"] for row in rows}
        after = {row["key"]: row["indexed_at"] for row in index_rows(plain, "maps")}
        assert after["m/a"] == times["m/a"], "nothing became newer"

    def test_a_change_that_comes_with_it_is_one(self, plain: Catalog, s3, bucket: str, put: Put):
        told = len(ledger(plain, "maps"))
        update_source(plain, "maps", "ids are wanted", versions=True)
        put("m/c", b"another")

        done = refresh_index(plain, "maps")

        assert (done.changed, done.overwritten) == (1, 1)
        assert kinds(plain, "maps")[told:] == [("m/c", "overwritten")]
        assert _ids(plain) == _on_s3(s3, bucket)

    def test_who_is_killed_before_the_ids_are_in_leaves_them_to_the_next_listing(
        self, plain: Catalog, s3, bucket: str, monkeypatch: pytest.MonkeyPatch
    ):
        update_source(plain, "maps", "ids are wanted", versions=True)
        with monkeypatch.context() as patched:
            patched.setattr("s3pipelines.core.index.version_ids.take_in", _killed)
            with pytest.raises(KeyboardInterrupt):
                refresh_index(plain, "maps")
        assert set(_ids(plain).values()) == {None}

        refresh_index(plain, "maps")

        assert _ids(plain) == _on_s3(s3, bucket)


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_an_id_that_nobody_told_is_filled_in_by_the_next_listing(
    maps: Catalog, put: Put, monkeypatch: pytest.MonkeyPatch
):
    made = put("m/a", b"another")

    def without_id(asked: Asked) -> Asked:
        assert asked.found is not None
        return replace(asked, found=replace(asked.found, version_id=None))

    with monkeypatch.context() as patched:
        answer_with(patched, without_id)
        hint(maps, "maps", "m/a", "m/b")
        apply_changes(maps, "maps")
    assert _ids(maps)["m/a"] is None
    assert _ids(maps)["m/b"] is not None

    done = refresh_index(maps, "maps")

    assert (done.changed, _ids(maps)["m/a"]) == (0, made)


def test_states_of_the_index_are_compared_by_version_ids(maps: Catalog, put: Put):
    before = open_table(maps, OBJECTS).version()
    made = put("m/a")
    refresh_index(maps, "maps")
    after = open_table(maps, OBJECTS).version()

    with compare_states(maps, "maps", before, after) as found:
        (row,) = found.rows()

    assert (row["kind"], row["key"], row["version_id"]) == ("overwritten", "m/a", made)


@pytest.mark.parametrize("file_format", ["Parquet", "ORC", "CSV"])
def test_a_report_of_all_versions_gives_the_same_rows_as_a_listing(
    maps: Catalog, s3, bucket: str, file_format: str
):
    reports = f"reports-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=reports)
    ids = _on_s3(s3, bucket)
    facts = {"is_latest": True, "is_delete_marker": False}
    rows = [row | facts | {"version_id": ids[row["key"]]} for row in rows_of_bucket(s3, bucket)]
    old = rows[0] | {"version_id": "old", "is_latest": False, "e_tag": "old"}
    uri = ReportOf([old, *rows], file_format).put(s3, reports, bucket)
    create_source(maps, "reported", f"s3://{bucket}/m", versions=True)

    refresh_index(maps, "reported", inventory=uri)

    assert _states(maps, "reported") == _states(maps, "maps")


def test_a_report_without_versions_leaves_the_ids_as_they_are(
    maps: Catalog, s3, bucket: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("s3pipelines.core.index.reports.MARGIN", timedelta(0))
    reports = f"reports-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=reports)
    uri = ReportOf(rows_of_bucket(s3, bucket)).put(s3, reports, bucket)
    before = _ids(maps)

    assert refresh_index(maps, "maps", inventory=uri).changed == 0

    assert _ids(maps) == before


def test_a_server_that_lists_no_versions_is_refused_before_the_option_is_kept(
    local_catalog: Catalog,
):
    with fake_s3(bucket_of(["a"])) as server:
        keys = server.access().static_keys
        catalog = replace(local_catalog, access=replace(local_catalog.access, static_keys=keys))
        create_source(catalog, "maps", "s3://bucket", endpoint_url=server.url)
        with pytest.raises(StorageError):
            update_source(catalog, "maps", "ids are wanted", versions=True)
        assert not get_source(catalog, "maps").versions
