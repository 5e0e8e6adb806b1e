"""Sources are deleted, and whoever comes next finishes what was interrupted."""

import threading
from typing import Any

import pytest

from s3pipelines.core.catalog import tables
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import AlreadyExists, Busy, Gone, NotFound
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources import entries
from s3pipelines.core.sources.leases import index_lease
from s3pipelines.core.sources.refreshes import last_refresh
from s3pipelines.core.sources.registry import (
    create_source,
    delete_source,
    get_source,
    list_sources,
    update_source,
)
from s3pipelines.core.storage import leases
from s3pipelines.core.storage.leases import hold
from tests.conftest import PutObjects
from tests.core.sources.registering import at_once, indexed, separately


def test_deleting_forgets_the_source_and_its_rows_and_nothing_else(
    catalog: Catalog, bucket: str, put_objects: PutObjects, s3
) -> None:
    put_objects("a/1", "a/2", "b/1")
    for name in ("a", "b"):
        create_source(catalog, name, f"s3://{bucket}/{name}")
        refresh_index(catalog, name)
    assert (indexed(catalog, "a"), indexed(catalog, "b")) == (2, 1)
    deleted = delete_source(catalog, "a")
    assert deleted.id == "a"
    assert [source.id for source in list_sources(catalog)] == ["b"]
    assert (indexed(catalog, "a"), indexed(catalog, "b")) == (0, 1)
    with pytest.raises(NotFound):
        get_source(catalog, "a")
    with pytest.raises(Gone):
        catalog.documents.read("refreshes/a.json")
    found = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["Key"] for entry in found] == ["a/1", "a/2", "b/1"]


def test_a_source_may_be_deleted_before_it_was_ever_indexed(catalog: Catalog, bucket: str) -> None:
    create_source(catalog, "maps", f"s3://{bucket}")
    delete_source(catalog, "maps")
    assert list_sources(catalog) == []
    with pytest.raises(NotFound):
        delete_source(catalog, "maps")


def test_the_same_id_registered_anew_is_another_generation(
    local_catalog: Catalog, bucket: str, put_objects: PutObjects
) -> None:
    put_objects("a")
    first = create_source(local_catalog, "maps", f"s3://{bucket}")
    refresh_index(local_catalog, "maps")
    delete_source(local_catalog, "maps")
    second = create_source(local_catalog, "maps", f"s3://{bucket}")
    assert second.generation != first.generation
    assert [entry.message for entry in second.history] == ["created"]
    assert last_refresh(local_catalog, second) is None
    assert indexed(local_catalog, "maps") == 0
    assert [source.id for source in list_sources(local_catalog)] == ["maps"]


def _interrupt(monkeypatch: pytest.MonkeyPatch, catalog: Catalog, source_id: str) -> None:
    """Delete, but be killed before the rows are gone."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tables, "forget_source", die)
        with pytest.raises(KeyboardInterrupt):
            delete_source(catalog, source_id)


@pytest.mark.parametrize("by", ["deleting", "registering"])
def test_a_deletion_that_was_interrupted_is_finished_by_whoever_comes_next(
    local_catalog: Catalog,
    bucket: str,
    put_objects: PutObjects,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
) -> None:
    put_objects("a")
    first = create_source(local_catalog, "maps", f"s3://{bucket}")
    refresh_index(local_catalog, "maps")
    _interrupt(monkeypatch, local_catalog, "maps")
    assert indexed(local_catalog, "maps") == 1
    if by == "deleting":
        assert delete_source(separately(local_catalog), "maps").id == "maps"
        assert list_sources(local_catalog) == []
    else:
        second = create_source(separately(local_catalog), "maps", f"s3://{bucket}")
        assert get_source(local_catalog, "maps") == second
        assert second.generation != first.generation
    assert indexed(local_catalog, "maps") == 0


def test_a_source_that_is_half_deleted_is_gone_for_all_but_who_finishes_it(
    catalog: Catalog, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_source(catalog, "maps", f"s3://{bucket}")
    _interrupt(monkeypatch, catalog, "maps")
    assert list_sources(catalog) == []
    for action in (
        lambda: get_source(catalog, "maps"),
        lambda: update_source(catalog, "maps", "why"),
        lambda: refresh_index(catalog, "maps"),
    ):
        with pytest.raises(NotFound, match="The source 'maps' is being deleted") as caught:
            action()
        assert "s3pipelines sources delete --id maps" in caught.value.hint
    assert get_source(catalog, "maps", leaving=True).state == "deleting"


def test_a_source_is_not_deleted_under_whoever_refreshes_it(
    catalog: Catalog, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_source(catalog, "maps", f"s3://{bucket}")
    monkeypatch.setattr(
        "s3pipelines.core.sources.deletion.hold", lambda *arguments: hold(*arguments, wait_s=0)
    )
    with hold(catalog.documents, index_lease("maps"), "A refresh"):
        with pytest.raises(Busy, match="A refresh is running already"):
            delete_source(separately(catalog), "maps")
        with pytest.raises(Busy):
            create_source(separately(catalog), "maps", f"s3://{bucket}")
    delete_source(catalog, "maps")


def test_of_two_who_finish_a_deletion_none_deletes_what_was_registered_since(
    catalog: Catalog, bucket: str, put_objects: PutObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slower one waited for the lease while the faster one finished and a third registered."""
    put_objects("a")
    create_source(catalog, "maps", f"s3://{bucket}")
    _interrupt(monkeypatch, catalog, "maps")
    monkeypatch.setattr(leases, "_POLL_EVERY_S", 0.02)
    waits = threading.Event()

    def hold_later(*arguments: Any) -> Any:
        waits.set()
        return hold(*arguments)

    monkeypatch.setattr("s3pipelines.core.sources.deletion.hold", hold_later)
    slower = threading.Thread(target=lambda: delete_source(separately(catalog), "maps"))
    with hold(catalog.documents, index_lease("maps"), "The faster one"):
        slower.start()
        assert waits.wait(20)
        entry = entries.read_entry(catalog.documents, "maps")
        entries.write_entry(catalog.documents, "maps", None, entry.tag)
        again = create_source(catalog, "maps", f"s3://{bucket}")
    slower.join(20)
    assert not slower.is_alive()
    assert get_source(catalog, "maps") == again


def test_many_may_register_and_delete_the_same_id_at_once(catalog: Catalog, bucket: str) -> None:
    def register_and_delete(number: int) -> int:
        mine = separately(catalog)
        made = 0
        for _ in range(2):
            try:
                source = create_source(mine, "maps", f"s3://{bucket}", description=str(number))
            except AlreadyExists:
                continue
            made += 1
            assert get_source(mine, "maps").generation == source.generation
            delete_source(mine, "maps")
        return made

    results = at_once([lambda n=n: register_and_delete(n) for n in range(3)])
    assert all(isinstance(result, int) for result in results), results
    assert sum(result for result in results if isinstance(result, int)) >= 1
    assert list_sources(catalog) == []
