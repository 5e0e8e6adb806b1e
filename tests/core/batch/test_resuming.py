"""Applications that broke off: each object has one outcome all the same, and can return."""

from dataclasses import replace
from typing import Any

import pytest

from s3pipelines.core.batch import copying
from s3pipelines.core.batch.actions import move
from s3pipelines.core.batch.applications import plan_lease
from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.batch.operations import Operations
from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.removal import Removed
from s3pipelines.core.batch.undoing import make_undo_plan
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import AccessDenied, Busy, StorageError
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.storage import leases
from tests.core.batch.buckets import Held, contents
from tests.core.batch.plans import in_both_kinds_of_buckets, plan, undo
from tests.servers import on_every_server

APPEND = Operations.append


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch):
    """Operations that are never written: what a process leaves that dies right before."""

    def fail(*_: Any) -> None:
        raise StorageError("It died.", hint="Go on.")

    monkeypatch.setattr(Operations, "append", fail)
    return monkeypatch


@in_both_kinds_of_buckets
@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("copy", {"to": "s3://{target}/to"}),
        ("move", {"to": "s3://{target}/to"}),
        ("delete", {}),
        ("delete", {"permanent": True}),
        ("tag", {"set": {"rights": "free"}, "remove": ["page"]}),
        ("storage-class", {"storage_class": "STANDARD_IA"}),
        ("metadata", {"set": {"a": "b"}, "remove": ["number"]}),
    ],
)
def test_what_a_process_did_before_it_died_counts_as_done(
    batch_catalog: Catalog, filled, s3, bucket, target_bucket, breaking, action, told
):
    told = {k: v.format(target=target_bucket) if k == "to" else v for k, v in told.items()}
    made = plan(batch_catalog, action, Selection(glob="00*.tif"), **told)
    with pytest.raises(StorageError, match="It died"):
        apply_plan(batch_catalog, made.id)
    changed = contents(s3, bucket), contents(s3, target_bucket)
    breaking.undo()

    report = apply_plan(batch_catalog, made.id)

    assert (report.done, report.skipped, report.failed, report.left) == (10, 0, 0, 0)
    assert (contents(s3, bucket), contents(s3, target_bucket)) == changed
    if not told.get("permanent"):
        assert undo(batch_catalog, made).failed == 0
        assert contents(s3, bucket) == filled
        assert contents(s3, target_bucket) == {}


@in_both_kinds_of_buckets
@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("copy", {"to": "s3://{target}/to"}),
        ("move", {"to": "s3://{target}/to"}),
        ("delete", {}),
        ("tag", {"set": {"rights": "free"}, "remove": ["page"]}),
        ("storage-class", {"storage_class": "STANDARD_IA"}),
        ("metadata", {"set": {"a": "b"}, "remove": ["number"]}),
    ],
)
def test_what_an_undo_did_before_its_process_died_counts_as_done(
    batch_catalog: Catalog, filled, s3, bucket, target_bucket, breaking, action, told
):
    told = {k: v.format(target=target_bucket) if k == "to" else v for k, v in told.items()}
    made = plan(batch_catalog, action, Selection(glob="00*.tif"), **told)
    with breaking.context() as whole:
        whole.setattr(Operations, "append", APPEND)
        apply_plan(batch_catalog, made.id)
        back = make_undo_plan(batch_catalog, made.id)
    with pytest.raises(StorageError, match="It died"):
        apply_plan(batch_catalog, back.id)
    breaking.undo()

    report = apply_plan(batch_catalog, back.id)

    assert (report.done, report.failed, report.left) == (10, 0, 0)
    assert contents(s3, bucket) == filled
    assert contents(s3, target_bucket) == {}


def untagged(held: dict[str, Held]) -> dict[str, Held]:
    """Without tags: moto adds those of a copy to what was there before."""
    return {key: replace(one, tags=()) for key, one in held.items()}


def older_ones(s3: Any, target_bucket: str) -> dict[str, Held]:
    """What is at the target before ten objects are copied there."""
    for number in range(10):
        key = f"to/maps/00{number}.tif"
        s3.put_object(Bucket=target_bucket, Key=key, Body=b"old", Metadata={"kept": "yes"})
    return contents(s3, target_bucket)


def plan_over_them(catalog: Catalog, action: str, target_bucket: str) -> Plan:
    told = {"to": f"s3://{target_bucket}/to/maps", "on_existing": "overwrite"}
    return plan(catalog, action, Selection(glob="00*.tif"), **told)


@in_both_kinds_of_buckets
@pytest.mark.parametrize("action", ["copy", "move"])
def test_what_a_copy_replaced_before_its_process_died_comes_back(
    batch_catalog: Catalog, filled, s3, bucket, target_bucket, breaking, action
):
    before = untagged(older_ones(s3, target_bucket))
    made = plan_over_them(batch_catalog, action, target_bucket)
    with pytest.raises(StorageError, match="It died"):
        apply_plan(batch_catalog, made.id)
    breaking.undo()

    assert apply_plan(batch_catalog, made.id).done == 10
    assert undo(batch_catalog, made).failed == 0
    assert untagged(contents(s3, bucket)) == untagged(filled)
    assert untagged(contents(s3, target_bucket)) == before


@in_both_kinds_of_buckets
@pytest.mark.parametrize("action", ["copy", "move"])
def test_what_came_back_in_place_of_a_copy_before_an_undo_died_counts_as_done(
    batch_catalog: Catalog, filled, s3, bucket, target_bucket, breaking, action
):
    before = untagged(older_ones(s3, target_bucket))
    made = plan_over_them(batch_catalog, action, target_bucket)
    with breaking.context() as whole:
        whole.setattr(Operations, "append", APPEND)
        apply_plan(batch_catalog, made.id)
        back = make_undo_plan(batch_catalog, made.id)
    with pytest.raises(StorageError, match="It died"):
        apply_plan(batch_catalog, back.id)
    breaking.undo()

    assert apply_plan(batch_catalog, back.id).done == 10
    assert untagged(contents(s3, bucket)) == untagged(filled)
    assert untagged(contents(s3, target_bucket)) == before


def test_a_plan_is_not_applied_twice_at_once(
    batch_catalog, filled, monkeypatch: pytest.MonkeyPatch
):
    made = plan(batch_catalog, "delete")
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.1)
    with (
        leases.hold(batch_catalog.documents, plan_lease(made.id), "Another one"),
        pytest.raises(Busy, match="is being applied"),
    ):
        apply_plan(batch_catalog, made.id)
    assert apply_plan(batch_catalog, made.id).done == 13


def test_a_move_that_could_not_delete_is_ended_by_the_next_application(
    batch_catalog, filled, s3, bucket, target_bucket, monkeypatch: pytest.MonkeyPatch
):
    made = plan(batch_catalog, "move", Selection(glob="00*.tif"), to=f"s3://{target_bucket}/to")

    async def denied(_: Any, etags: dict[str, str]) -> list[Removed]:
        error = AccessDenied("Deleting is denied.", hint="Grant it.")
        return [Removed(key, error=error) for key in etags]

    with monkeypatch.context() as patched:
        patched.setattr(move, "remove", denied)
        report = apply_plan(batch_catalog, made.id)
    assert (report.done, report.failed, report.reasons[0].error) == (0, 10, "denied")
    assert contents(s3, bucket) == filled

    assert apply_plan(batch_catalog, made.id).done == 10
    assert len(contents(s3, target_bucket)) == 10
    assert undo(batch_catalog, made).failed == 0
    assert contents(s3, bucket) == filled


@on_every_server
@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("metadata", {"set": {"a": "b"}}),
        ("copy", {"to": "s3://{target}/to", "metadata": {"a": "b"}}),
        ("copy", {"to": "s3://{target}/to", "tags": {"rights": "free"}}),
    ],
)
def test_a_process_that_dies_before_it_has_written_the_tags_loses_none(
    batch_catalog: Catalog, filled, s3, bucket, target_bucket, breaking, action, told
):
    async def die(*_: Any) -> None:
        """Where the server takes no tags along, they come after the copy."""

    told = {k: v.format(target=target_bucket) if k == "to" else v for k, v in told.items()}
    made = plan(batch_catalog, action, Selection(glob="00*.tif"), **told)
    breaking.setattr(copying, "put_tags", die)
    with pytest.raises(StorageError, match="It died"):
        apply_plan(batch_catalog, made.id)
    breaking.undo()

    report = apply_plan(batch_catalog, made.id)

    assert (report.done, report.failed, report.left) == (10, 0, 0)
    written = contents(s3, target_bucket if action == "copy" else bucket)
    folder = "to" if action == "copy" else "maps"
    for n in range(10):
        expected = (("rights", "free"),) if "tags" in told else filled[f"maps/{n:03d}.tif"].tags
        assert written[f"{folder}/{n:03d}.tif"].tags == expected
