"""Plans spare the members of versions."""

from typing import Any

import pytest

from s3pipelines.core.batch.actions import ACTIONS
from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.batch.planning import Request, make_plan
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.freezing import snapshot
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.sql.selection import Selection
from tests.core.batch.buckets import contents
from tests.core.batch.plans import plan, undo


def _action(name: str, **told: Any) -> Action:
    return ACTIONS[name](ACTIONS[name].params_type(**told))


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("delete", {}),
        ("delete", {"permanent": True}),
        ("move", {"to": "s3://{target}/to"}),
    ],
)
def test_members_are_not_taken_away_unless_told(
    batch_catalog: Catalog, filled, target_bucket, action, told
):
    told = {k: v.format(target=target_bucket) if k == "to" else v for k, v in told.items()}
    snapshot(batch_catalog, "maps")
    some = Selection(glob="00?.tif")

    with pytest.raises(InvalidInput, match=r"10 of the objects .* members of maps@1 \(maps/000"):
        plan(batch_catalog, action, some, **told)
    made = plan(batch_catalog, action, some, break_versions=True, **told)
    [flag] = made.summary.flags
    assert (flag.name, flag.objects) == ("breaks_versions", 10)
    assert apply_plan(batch_catalog, made.id).done == 10


def test_what_is_no_member_any_more_or_was_never_one_may_go(
    batch_catalog: Catalog, filled, s3, bucket
):
    snapshot(batch_catalog, "maps")
    s3.put_object(Bucket=bucket, Key="maps/000.tif", Body=b"written over")
    s3.put_object(Bucket=bucket, Key="maps/new.tif", Body=b"new")
    refresh_index(batch_catalog, "maps")

    keys = frozenset({"maps/000.tif", "maps/new.tif"})
    assert plan(batch_catalog, "delete", Selection(keys=keys)).summary.to_do == 2


def test_a_version_that_is_made_after_the_plan_stops_its_application(
    batch_catalog: Catalog, filled, s3, bucket
):
    made = plan(batch_catalog, "delete", Selection(glob="00?.tif"))
    snapshot(batch_catalog, "maps")
    before = contents(s3, bucket)

    with pytest.raises(InvalidInput, match="members of maps@1"):
        apply_plan(batch_catalog, made.id)
    assert contents(s3, bucket) == before


def test_members_of_other_sources_in_the_bucket_are_spared_too(
    batch_catalog: Catalog, filled, bucket
):
    snapshot(batch_catalog, "maps")
    create_source(batch_catalog, "all", f"s3://{bucket}")
    refresh_index(batch_catalog, "all")
    create_source(batch_catalog, "odd", f"s3://{bucket}/maps/odd")
    refresh_index(batch_catalog, "odd")
    snapshot(batch_catalog, "odd")

    request = Request("all", _action("delete"), Selection(glob="maps/odd/*"))
    with pytest.raises(InvalidInput, match="members of maps@1, odd@1"):
        make_plan(batch_catalog, request)


def test_copies_do_not_write_over_members(batch_catalog: Catalog, filled, bucket, s3):
    s3.put_object(Bucket=bucket, Key="maps/other/000.tif", Body=b"other")
    refresh_index(batch_catalog, "maps")
    snapshot(batch_catalog, "maps")
    told = {"to": f"s3://{bucket}/maps/other", "on_existing": "overwrite"}

    with pytest.raises(InvalidInput, match=r"1 of the objects .*maps/other/000.tif"):
        plan(batch_catalog, "copy", Selection(glob="00?.tif"), **told)


def test_an_undo_does_not_take_copies_away_that_became_members(
    batch_catalog: Catalog, filled, bucket
):
    made = plan(batch_catalog, "copy", Selection(glob="00?.tif"), to=f"s3://{bucket}/maps/copies")
    assert apply_plan(batch_catalog, made.id).done == 10
    refresh_index(batch_catalog, "maps")
    snapshot(batch_catalog, "maps")

    with pytest.raises(InvalidInput, match="members of maps@1"):
        undo(batch_catalog, made)


def test_the_objects_of_a_version_can_be_selected(
    batch_catalog: Catalog, filled, bucket, s3, target_bucket
):
    snapshot(batch_catalog, "maps")
    s3.put_object(Bucket=bucket, Key="maps/000.tif", Body=b"written over")
    s3.put_object(Bucket=bucket, Key="maps/009a.tif", Body=b"new")
    refresh_index(batch_catalog, "maps")

    action = _action("copy", to=f"s3://{target_bucket}/to")
    made = make_plan(batch_catalog, Request("maps@1", action, Selection(glob="00*.tif")))
    assert (made.source_id, made.summary.to_do) == ("maps", 10)
    assert "of version 1" in made.selection
    report = apply_plan(batch_catalog, made.id)

    assert (report.done, report.failed) == (9, 1)
    assert "to/000.tif" not in contents(s3, target_bucket)
