"""Making plans: what is frozen, what is flagged, and what is refused before anything is written."""

import pytest

from s3pipelines.core.batch.actions.common import CopyParams
from s3pipelines.core.batch.actions.copy import CopyAction
from s3pipelines.core.batch.actions.tag import TagAction, TagParams
from s3pipelines.core.batch.existing import OnExisting
from s3pipelines.core.batch.manifests import batches_of, local_manifest
from s3pipelines.core.batch.planning import Request, make_plan
from s3pipelines.core.batch.plans import Plan, list_plans, read_plan
from s3pipelines.core.batch.rows import Row, rows_of
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput, NoSuchBucket, NotFound
from s3pipelines.core.sources.registry import create_source, update_source
from s3pipelines.core.sql.selection import Selection


def copying(to: str, existing: OnExisting = OnExisting.fail, **how: str) -> CopyAction:
    return CopyAction(CopyParams.model_validate({"to": to, "on_existing": existing, **how}))


def tagging() -> TagAction:
    return TagAction(TagParams.model_validate({"set": {"a": "b"}}))


def rows(catalog: Catalog, plan: Plan) -> list[Row]:
    found: list[Row] = []
    for shard in plan.shards:
        with local_manifest(catalog, plan, shard) as path:
            found += [row for batch in batches_of(path) for row in rows_of(batch)]
    return found


def flags(plan: Plan) -> dict[str, int]:
    return {flag.name: flag.objects for flag in plan.summary.flags}


def test_a_plan_freezes_the_selected_objects_in_the_order_of_their_keys(
    local_catalog, put_objects, index, target_bucket
):
    put_objects("maps/b.tif", "maps/a.tif", "maps/c.jpg", "other/d.tif")
    index()
    request = Request("maps", copying(f"s3://{target_bucket}/to"), Selection(glob="*.tif"), "why")
    plan = make_plan(local_catalog, request)
    frozen = rows(local_catalog, plan)
    assert [(r.number, r.key, r.target) for r in frozen] == [
        (0, "maps/a.tif", "to/a.tif"),
        (1, "maps/b.tif", "to/b.tif"),
    ]
    assert {r.etag for r in frozen} == {"202cb962ac59075b964b07152d234b70"}
    assert (plan.summary.objects, plan.summary.to_do, plan.summary.size_bytes) == (2, 2, 6)
    assert (plan.summary.requests, plan.reason, plan.target) == (
        2,
        "why",
        f"s3://{target_bucket}/to/",
    )
    assert plan.summary.samples[0] == ("maps/a.tif", "to/a.tif")
    assert read_plan(local_catalog, plan.id) == plan
    assert [one.id for one in list_plans(local_catalog, 10)] == [plan.id]


def test_objects_that_stay_have_no_target(local_catalog, put_objects, index):
    put_objects("maps/a", "maps/b")
    index()
    plan = make_plan(local_catalog, Request("maps", tagging()))
    assert [r.target for r in rows(local_catalog, plan)] == [None, None]
    assert plan.target is None


@pytest.mark.parametrize(
    ("policy", "expected", "flagged"),
    [
        (OnExisting.skip, ["exists", None], {"exists": 1}),
        (OnExisting.overwrite, [None, None], {"overwrites": 1}),
        (OnExisting.if_newer, ["not_newer", None], {"not_newer": 1}),
    ],
)
def test_what_exists_is_dealt_with_as_told(
    local_catalog, put_objects, index, s3, target_bucket, policy, expected, flagged
):
    put_objects("maps/a", "maps/b")
    index()
    s3.put_object(Bucket=target_bucket, Key="to/a", Body=b"other")
    plan = make_plan(local_catalog, Request("maps", copying(f"s3://{target_bucket}/to", policy)))
    frozen = rows(local_catalog, plan)
    assert [r.verdict for r in frozen] == expected
    assert frozen[0].target_etag == s3.head_object(Bucket=target_bucket, Key="to/a")["ETag"].strip(
        '"'
    )
    assert frozen[1].target_etag is None
    assert flags(plan) == flagged


def test_a_plan_that_would_write_over_something_is_refused_unless_told(
    local_catalog, put_objects, index, s3, target_bucket
):
    put_objects("maps/a", "maps/b")
    index()
    s3.put_object(Bucket=target_bucket, Key="to/a", Body=b"other")
    with pytest.raises(
        InvalidInput, match=r"1 object would go to targets that exist already \(maps/a to to/a\)"
    ):
        make_plan(local_catalog, Request("maps", copying(f"s3://{target_bucket}/to")))
    assert list_plans(local_catalog, 10) == []


def test_a_mapping_that_maps_everything_to_one_key_is_refused(
    local_catalog, put_objects, index, target_bucket
):
    put_objects("maps/a/x.tif", "maps/b/x.tif", "maps/c/y.tif")
    index()
    with pytest.raises(InvalidInput, match="2 objects would go to targets that others go to"):
        make_plan(
            local_catalog, Request("maps", copying(f"s3://{target_bucket}", template="{name}"))
        )


def test_targets_that_differ_only_by_case_or_accents_are_flagged(
    local_catalog, put_objects, index, target_bucket
):
    put_objects("maps/A", "maps/a", "maps/\u00e4", "maps/a\u0308", "maps/z")
    index()
    plan = make_plan(local_catalog, Request("maps", copying(f"s3://{target_bucket}")))
    assert flags(plan) == {"similar_targets": 4}


def test_a_target_inside_the_selection_is_refused(local_catalog, put_objects, index, bucket):
    put_objects("maps/a", "maps/b/a")
    index()
    with pytest.raises(InvalidInput, match="2 objects would be written in place"):
        make_plan(
            local_catalog, Request("maps", copying(f"s3://{bucket}/maps", OnExisting.overwrite))
        )
    cycle = copying(f"s3://{bucket}/maps", OnExisting.overwrite, match="^(a)$", replace=r"b/\1")
    with pytest.raises(InvalidInput, match="objects of the same selection"):
        make_plan(local_catalog, Request("maps", cycle))


def test_what_the_match_leaves_out_is_skipped_and_said(
    local_catalog, put_objects, index, target_bucket
):
    put_objects("maps/1.tif", "maps/x.tif")
    index()
    action = copying(f"s3://{target_bucket}", match=r"^(\d+)\.tif$", replace=r"\1.tiff")
    plan = make_plan(local_catalog, Request("maps", action))
    assert [(r.target, r.verdict) for r in rows(local_catalog, plan)] == [
        ("1.tiff", None),
        (None, "unmapped"),
    ]
    assert flags(plan) == {"unmapped": 1}
    assert plan.summary.to_do == 1


def test_archived_objects_are_flagged_where_their_bytes_are_needed(
    local_catalog, index, s3, bucket, target_bucket
):
    s3.put_object(Bucket=bucket, Key="maps/cold", Body=b"1", StorageClass="GLACIER")
    index()
    plan = make_plan(local_catalog, Request("maps", copying(f"s3://{target_bucket}")))
    assert flags(plan) == {"archived": 1}
    assert plan.summary.classes[0].storage_class == "GLACIER"


def test_an_empty_selection_is_refused(local_catalog, put_objects, index, target_bucket):
    put_objects("maps/a")
    index()
    with pytest.raises(InvalidInput, match="selection is empty"):
        make_plan(
            local_catalog,
            Request("maps", copying(f"s3://{target_bucket}"), Selection(glob="*.tif")),
        )


def test_a_target_bucket_that_does_not_exist_is_said(local_catalog, put_objects, index):
    put_objects("maps/a")
    index()
    with pytest.raises(NoSuchBucket):
        make_plan(local_catalog, Request("maps", copying("s3://no-such-bucket-here/to")))


def test_a_read_only_source_is_neither_changed_nor_written_to(
    local_catalog, put_objects, index, bucket
):
    put_objects("maps/a")
    index()
    create_source(local_catalog, "kept", f"s3://{bucket}/kept", read_only=True)
    with pytest.raises(InvalidInput, match="'kept', which is read-only"):
        make_plan(local_catalog, Request("maps", copying(f"s3://{bucket}/kept/sub")))
    update_source(local_catalog, "maps", "closed", read_only=True)
    with pytest.raises(InvalidInput, match="registered as read-only"):
        make_plan(local_catalog, Request("maps", tagging()))


def test_a_plan_of_many_rows_has_several_shards(
    local_catalog, put_objects, index, target_bucket, monkeypatch
):
    monkeypatch.setattr("s3pipelines.core.batch.manifests._LEAST_ROWS", 2)
    put_objects(*(f"maps/{n}" for n in range(5)))
    index()
    plan = make_plan(local_catalog, Request("maps", copying(f"s3://{target_bucket}")))
    assert [(s.number, s.first, s.rows, s.size_bytes) for s in plan.shards] == [
        (0, 0, 2, 6),
        (1, 2, 2, 6),
        (2, 4, 1, 3),
    ]
    assert [r.number for r in rows(local_catalog, plan)] == list(range(5))


def test_an_id_that_is_none_and_one_of_no_plan_are_told_apart(local_catalog):
    with pytest.raises(InvalidInput, match="no id of a plan"):
        read_plan(local_catalog, "../secret")
    with pytest.raises(NotFound):
        read_plan(local_catalog, "20260101-000000-abcdef")
