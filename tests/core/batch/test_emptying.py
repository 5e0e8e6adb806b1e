"""The trash is emptied: of what is old enough and done with, for good, and undo knows."""

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.batch.emptying import make_emptying_plan
from s3pipelines.core.batch.operations import Operations
from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.undoing import make_undo_plan
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput, StorageError
from s3pipelines.core.sources.registry import update_source
from s3pipelines.core.sql.selection import Selection
from tests.core.batch.buckets import contents
from tests.core.batch.plans import plan, undo

AT_ONCE = timedelta()


@pytest.fixture
def trash(s3) -> str:
    """A bucket for the trash of one test only: whatever lies in it is listed."""
    name = f"trash-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def batch_catalog(local_catalog: Catalog, trash: str) -> Catalog:
    return replace(local_catalog, trash=f"s3://{trash}/kept")


def emptied(catalog: Catalog) -> tuple[int, int, int]:
    """Empty the trash of all that may go; how many were done, skipped and failed."""
    made = make_emptying_plan(catalog, "maps", AT_ONCE)
    assert made is not None
    report = apply_plan(catalog, made.id)
    assert report.left == 0
    return report.done, report.skipped, report.failed


def deleted(catalog: Catalog, glob: str) -> Plan:
    made = plan(catalog, "delete", Selection(glob=glob))
    assert apply_plan(catalog, made.id).is_complete
    return made


def apply_and_die(catalog: Catalog, made: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply a plan by a process that dies right before it writes any outcome."""

    def die(*_: Any) -> None:
        raise StorageError("It died.", hint="Go on.")

    with monkeypatch.context() as patched:
        patched.setattr(Operations, "append", die)
        with pytest.raises(StorageError, match="It died"):
            apply_plan(catalog, made.id)


def test_what_was_deleted_goes_for_good_and_its_undo_is_refused_with_the_reason(
    batch_catalog, trash, filled, s3, bucket
):
    made = deleted(batch_catalog, "00*.tif")
    assert len(contents(s3, trash)) == 10

    assert emptied(batch_catalog) == (10, 0, 0)

    assert contents(s3, trash) == {}
    assert len(contents(s3, bucket)) == 3
    with pytest.raises(InvalidInput, match="10: the trash was emptied since"):
        make_undo_plan(batch_catalog, made.id)
    assert make_emptying_plan(batch_catalog, "maps", AT_ONCE) is None


def test_what_is_younger_than_told_stays_and_can_return(batch_catalog, filled, s3, bucket):
    made = deleted(batch_catalog, "00*.tif")

    assert make_emptying_plan(batch_catalog, "maps", timedelta(hours=1)) is None

    assert undo(batch_catalog, made).done == 10
    assert contents(s3, bucket) == filled


def test_an_undo_brings_back_the_rest_and_says_beforehand_what_it_cannot(
    batch_catalog, trash, filled, s3, bucket
):
    made = deleted(batch_catalog, "00*.tif")
    emptying = make_emptying_plan(batch_catalog, "maps", AT_ONCE)
    assert emptying is not None
    kept = f"kept/maps/{made.id}/maps/003.tif"
    # Listed as another one than it is by now: it is left alone.
    body = s3.get_object(Bucket=trash, Key=kept)["Body"].read()
    s3.put_object(Bucket=trash, Key=kept, Body=b"another")
    report = apply_plan(batch_catalog, emptying.id)
    assert (report.done, report.failed, report.reasons[0].error) == (9, 1, "changed")
    s3.put_object(Bucket=trash, Key=kept, Body=body)

    back = make_undo_plan(batch_catalog, made.id)

    (flag,) = back.summary.flags
    assert (back.summary.to_do, flag.name, flag.objects) == (1, "cannot_be_undone", 9)
    assert "the trash was emptied since" in flag.meaning
    assert apply_plan(batch_catalog, back.id).done == 1
    assert s3.get_object(Bucket=bucket, Key="maps/003.tif")["Body"].read() == b"3"


def test_what_copies_had_replaced_goes_too(batch_catalog, filled, s3, target_bucket):
    s3.put_object(Bucket=target_bucket, Key="to/000.tif", Body=b"was here")
    made = plan(batch_catalog, "copy", to=f"s3://{target_bucket}/to", on_existing="overwrite")
    apply_plan(batch_catalog, made.id)

    assert emptied(batch_catalog) == (1, 0, 0)

    back = make_undo_plan(batch_catalog, made.id)
    assert (back.summary.to_do, back.summary.flags[0].examples) == (12, ("maps/000.tif",))
    assert apply_plan(batch_catalog, back.id).is_complete
    assert list(contents(s3, target_bucket)) == ["to/000.tif"]


def test_a_copy_whose_object_has_no_outcome_yet_stays(
    batch_catalog, filled, s3, bucket, monkeypatch: pytest.MonkeyPatch
):
    deleted(batch_catalog, "010.tif")
    made = plan(batch_catalog, "delete", Selection(glob="00*.tif"))

    apply_and_die(batch_catalog, made, monkeypatch)

    assert emptied(batch_catalog) == (1, 10, 0)
    with pytest.raises(InvalidInput, match="10 objects of that age, and none may go"):
        make_emptying_plan(batch_catalog, "maps", AT_ONCE)

    assert apply_plan(batch_catalog, made.id).done == 10
    assert undo(batch_catalog, made).done == 10
    assert len(contents(s3, bucket)) == 12


def test_a_trash_that_keeps_versions_is_emptied_of_them_all(batch_catalog, trash, filled, s3):
    enabled = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=trash, VersioningConfiguration=enabled)
    deleted(batch_catalog, "00*.tif")

    assert emptied(batch_catalog) == (10, 0, 0)

    left = s3.list_object_versions(Bucket=trash, Prefix="kept/maps/2")
    assert left.keys().isdisjoint({"Versions", "DeleteMarkers"})


def test_what_a_process_emptied_before_it_died_counts_as_done(
    batch_catalog, trash, filled, s3, monkeypatch: pytest.MonkeyPatch
):
    deleted(batch_catalog, "00*.tif")
    made = make_emptying_plan(batch_catalog, "maps", AT_ONCE)
    assert made is not None

    apply_and_die(batch_catalog, made, monkeypatch)
    assert contents(s3, trash) == {}

    assert apply_plan(batch_catalog, made.id).done == 10


def test_the_trash_of_a_source_that_is_read_only_by_now_is_emptied(batch_catalog, filled, s3):
    deleted(batch_catalog, "00*.tif")
    update_source(batch_catalog, "maps", message="a loan", read_only=True)

    assert emptied(batch_catalog) == (10, 0, 0)


def test_emptying_cannot_be_undone(batch_catalog, filled):
    deleted(batch_catalog, "00*.tif")
    made = make_emptying_plan(batch_catalog, "maps", AT_ONCE)
    assert made is not None
    apply_plan(batch_catalog, made.id)

    with pytest.raises(InvalidInput, match="'empty-trash' did cannot be taken back"):
        make_undo_plan(batch_catalog, made.id)


def test_a_plan_for_another_trash_than_that_of_the_project_is_refused(
    batch_catalog, trash, filled, s3
):
    deleted(batch_catalog, "00*.tif")
    made = make_emptying_plan(batch_catalog, "maps", AT_ONCE)
    assert made is not None
    moved = Catalog(batch_catalog.location, trash=f"s3://{trash}/elsewhere")

    with pytest.raises(InvalidInput, match=f"made for the trash s3://{trash}/kept/maps/"):
        apply_plan(moved, made.id)
    assert len(contents(s3, trash)) == 10


def test_a_trash_that_is_a_folder_holds_nothing(local_catalog, index, put_objects):
    put_objects("maps/a")
    index()
    with pytest.raises(InvalidInput, match=r"is the folder .*, where no object can be"):
        make_emptying_plan(local_catalog, "maps", AT_ONCE)
