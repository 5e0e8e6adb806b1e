"""Plans that are applied and undone, in buckets with and without versions."""

from pathlib import Path

import pytest

from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.batch.report import report_on, write_rows
from s3pipelines.core.batch.undoing import make_undo_plan
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sql.selection import Selection
from tests.core.batch.buckets import contents
from tests.core.batch.plans import in_both_kinds_of_buckets, in_buckets_with_versions, plan, undo
from tests.core.index.rows import index_now_keys
from tests.servers import CEPH, on_every_server


def test_copies_hold_all_that_the_originals_hold(batch_catalog, filled, s3, bucket, target_bucket):
    made = plan(batch_catalog, "copy", to=f"s3://{target_bucket}/to")
    report = apply_plan(batch_catalog, made.id)
    assert (report.done, report.failed, report.left) == (13, 0, 0)
    copied = contents(s3, target_bucket)
    assert copied == {key.replace("maps/", "to/", 1): one for key, one in filled.items()}
    assert contents(s3, bucket) == filled


@on_every_server
@in_both_kinds_of_buckets
def test_copies_are_taken_back(batch_catalog, filled, s3, bucket, target_bucket):
    # moto adds the tags of what is copied to those that are there, which S3 replaces.
    s3.put_object(
        Bucket=target_bucket,
        Key="to/000.tif",
        Body=b"was here",
        Metadata={"a": "b"},
        Tagging="page=none&kind=old",
    )
    before = contents(s3, target_bucket)
    made = plan(batch_catalog, "copy", to=f"s3://{target_bucket}/to", on_existing="overwrite")
    apply_plan(batch_catalog, made.id)
    assert contents(s3, target_bucket)["to/000.tif"].body == b"0"
    report = undo(batch_catalog, made)
    assert (report.done, report.failed) == (13, 0)
    assert contents(s3, target_bucket) == before
    assert contents(s3, bucket) == filled


@on_every_server
@in_buckets_with_versions
def test_a_copy_over_the_same_bytes_is_taken_back(batch_catalog, filled, s3, bucket, target_bucket):
    s3.put_object(Bucket=target_bucket, Key="to/000.tif", Body=b"0", Metadata={"mine": "1"})
    before = contents(s3, target_bucket)
    chosen = Selection(glob="000.tif")
    to = f"s3://{target_bucket}/to"
    made = plan(batch_catalog, "copy", chosen, to=to, on_existing="overwrite")
    assert apply_plan(batch_catalog, made.id).done == 1
    assert contents(s3, target_bucket)["to/000.tif"].metadata == (("number", "0"),)
    assert undo(batch_catalog, made).done == 1
    assert contents(s3, target_bucket)["to/000.tif"].metadata == (("mine", "1"),)
    assert [one.body for one in contents(s3, target_bucket).values()] == [
        one.body for one in before.values()
    ]


@on_every_server
@in_buckets_with_versions
def test_all_tags_are_taken_away_and_set_back(batch_catalog, filled, s3, bucket):
    made = plan(batch_catalog, "tag", Selection(glob="00*.tif"), remove=["page", "kind"])
    assert apply_plan(batch_catalog, made.id).done == 10
    assert contents(s3, bucket)["maps/003.tif"].tags == ()
    undo(batch_catalog, made)
    assert contents(s3, bucket) == filled


@on_every_server
@pytest.mark.parametrize(
    ("action", "glob", "how"),
    [
        ("copy", "many/*", {"moto": "listing", "ceph": "listing"}),
        ("delete", "00*.tif", {"moto": "native", "ceph": "head"}),
        ("delete", "many/*", {"moto": "native", "ceph": "listing"}),
    ],
)
def test_the_report_says_how_it_was_made_sure_that_nothing_had_changed(
    batch_catalog, filled, s3, s3_server, bucket, target_bucket, action, glob, how
):
    if glob == "many/*":
        for number in range(25):
            s3.put_object(Bucket=bucket, Key=f"maps/many/{number:02d}", Body=b"1")
        refresh_index(batch_catalog, "maps")
    told = {"to": f"s3://{target_bucket}/to"} if action == "copy" else {}
    made = plan(batch_catalog, action, Selection(glob=glob), **told)
    report = apply_plan(batch_catalog, made.id)
    assert report.preconditions == {how[s3_server]: made.summary.objects}


@on_every_server
@in_both_kinds_of_buckets
def test_a_move_leaves_nothing_behind_and_is_taken_back(
    batch_catalog, filled, s3, bucket, target_bucket
):
    made = plan(batch_catalog, "move", to=f"s3://{target_bucket}/to")
    report = apply_plan(batch_catalog, made.id)
    assert (report.done, report.failed) == (13, 0)
    assert contents(s3, bucket) == {}
    assert contents(s3, target_bucket) == {
        key.replace("maps/", "to/", 1): one for key, one in filled.items()
    }
    report = undo(batch_catalog, made)
    assert (report.done, report.failed) == (13, 0)
    assert contents(s3, bucket) == filled
    assert contents(s3, target_bucket) == {}


def test_a_move_within_the_bucket_works_like_one_across(batch_catalog, filled, s3, bucket):
    made = plan(batch_catalog, "move", to=f"s3://{bucket}/moved", template="{parent}{stem}-x.{ext}")
    apply_plan(batch_catalog, made.id)
    assert len(contents(s3, bucket, "moved/")) == 13
    assert contents(s3, bucket, "maps/") == {}
    undo(batch_catalog, made)
    assert contents(s3, bucket) == filled


@on_every_server
@in_both_kinds_of_buckets
def test_deleted_objects_come_back(batch_catalog, filled, s3, bucket, trash_bucket):
    made = plan(batch_catalog, "delete", Selection(glob="0*.tif"))
    report = apply_plan(batch_catalog, made.id)
    assert (report.done, report.failed) == (11, 0)
    assert sorted(contents(s3, bucket)) == ["maps/cool.tif", "maps/odd/ü +%&'<>.jpg"]
    undo(batch_catalog, made)
    assert contents(s3, bucket) == filled
    assert contents(s3, trash_bucket) == {}


@on_every_server
@in_both_kinds_of_buckets
def test_what_is_deleted_for_good_stays_away(batch_catalog, filled, s3, bucket):
    made = plan(batch_catalog, "delete", Selection(glob="0*.tif"), permanent=True)
    apply_plan(batch_catalog, made.id)
    assert len(contents(s3, bucket)) == 2
    assert len(s3.list_object_versions(Bucket=bucket).get("Versions", [])) == 2
    assert "DeleteMarkers" not in s3.list_object_versions(Bucket=bucket)
    with pytest.raises(InvalidInput, match="deleted for good"):
        make_undo_plan(batch_catalog, made.id)


@on_every_server
def test_tags_are_set_taken_away_and_set_back(batch_catalog, filled, s3, bucket):
    made = plan(batch_catalog, "tag", set={"rights": "free"}, remove=["page"])
    report = apply_plan(batch_catalog, made.id)
    assert (report.done, report.failed) == (13, 0)
    assert contents(s3, bucket)["maps/003.tif"].tags == (("kind", "scan"), ("rights", "free"))
    undo(batch_catalog, made)
    assert contents(s3, bucket) == filled


@on_every_server
@in_both_kinds_of_buckets
def test_a_storage_class_is_changed_and_changed_back(batch_catalog, filled, s3, bucket):
    made = plan(batch_catalog, "storage-class", storage_class="STANDARD_IA")
    report = apply_plan(batch_catalog, made.id)
    assert (report.done, report.skipped, report.failed) == (12, 1, 0)
    assert {one.storage_class for one in contents(s3, bucket).values()} == {"STANDARD_IA"}
    undo(batch_catalog, made)
    assert contents(s3, bucket) == filled


@on_every_server
@in_both_kinds_of_buckets
def test_metadata_is_set_taken_away_and_set_back(batch_catalog, filled, s3, bucket):
    made = plan(
        batch_catalog, "metadata", set={"A": "b"}, remove=["number"], content_type="image/x"
    )
    report = apply_plan(batch_catalog, made.id)
    assert (report.done, report.failed) == (13, 0)
    now = contents(s3, bucket)["maps/003.tif"]
    assert now.content_type == "image/x"
    assert [name for name, _ in now.metadata] == ["a"]
    assert now.tags == filled["maps/003.tif"].tags
    undo(batch_catalog, made)
    assert contents(s3, bucket) == filled


def test_archived_objects_are_restored_and_others_left_out(batch_catalog, s3, bucket, index):
    s3.put_object(Bucket=bucket, Key="maps/cold", Body=b"1", StorageClass="GLACIER")
    s3.put_object(Bucket=bucket, Key="maps/warm", Body=b"1")
    index()
    report = apply_plan(batch_catalog, plan(batch_catalog, "restore", days=2).id)
    assert (report.done, report.skipped, report.failed) == (1, 1, 0)
    assert "ongoing-request" in s3.head_object(Bucket=bucket, Key="maps/cold")["Restore"]


@pytest.mark.parametrize(
    ("s3_server", "action"),
    [("moto", action) for action in ("copy", "move", "delete", "tag", "storage-class")]
    + [pytest.param("ceph", action, marks=CEPH.marks) for action in ("copy", "move", "delete")],
    indirect=["s3_server"],
)
def test_what_has_changed_since_is_left_alone_and_the_rest_proceeds(
    batch_catalog, filled, s3, bucket, target_bucket, action
):
    told = {
        "copy": {"to": f"s3://{target_bucket}/to"},
        "move": {"to": f"s3://{target_bucket}/to"},
        "delete": {},
        "tag": {"set": {"a": "b"}},
        "storage-class": {"storage_class": "ONEZONE_IA"},
    }[action]
    made = plan(batch_catalog, action, Selection(glob="00*.tif"), **told)
    s3.put_object(Bucket=bucket, Key="maps/003.tif", Body=b"newer")
    s3.delete_object(Bucket=bucket, Key="maps/004.tif")
    report = apply_plan(batch_catalog, made.id)
    assert (report.done, report.failed, report.left) == (8, 2, 0)
    assert {reason.error: reason.examples for reason in report.reasons} == {
        "changed": ("maps/003.tif",),
        "gone": ("maps/004.tif",),
    }
    assert contents(s3, bucket)["maps/003.tif"].body == b"newer"
    assert "to/003.tif" not in contents(s3, target_bucket)


@on_every_server
def test_a_target_that_came_since_is_not_written_over(
    batch_catalog, filled, s3, bucket, target_bucket
):
    made = plan(batch_catalog, "move", Selection(glob="00*.tif"), to=f"s3://{target_bucket}/to")
    s3.put_object(Bucket=target_bucket, Key="to/003.tif", Body=b"mine")
    report = apply_plan(batch_catalog, made.id)
    assert (report.done, report.failed) == (9, 1)
    assert report.reasons[0].error == "exists"
    assert contents(s3, target_bucket)["to/003.tif"].body == b"mine"
    assert "maps/003.tif" in contents(s3, bucket)


def test_a_second_application_does_only_what_is_not_done(
    batch_catalog, filled, s3, bucket, target_bucket
):
    made = plan(batch_catalog, "copy", Selection(glob="00*.tif"), to=f"s3://{target_bucket}/to")
    s3.put_object(Bucket=target_bucket, Key="to/003.tif", Body=b"in the way")
    assert apply_plan(batch_catalog, made.id).failed == 1
    s3.delete_object(Bucket=target_bucket, Key="to/003.tif")
    s3.put_object(Bucket=target_bucket, Key="to/004.tif", Body=b"changed after it was copied")
    report = apply_plan(batch_catalog, made.id)
    assert (report.done, report.failed) == (10, 0)
    assert contents(s3, target_bucket)["to/004.tif"].body == b"changed after it was copied"


def test_an_undo_leaves_alone_what_was_changed_again(
    batch_catalog, filled, s3, bucket, target_bucket
):
    made = plan(batch_catalog, "copy", Selection(glob="00*.tif"), to=f"s3://{target_bucket}/to")
    apply_plan(batch_catalog, made.id)
    s3.put_object(Bucket=target_bucket, Key="to/004.tif", Body=b"precious")
    report = undo(batch_catalog, made)
    assert (report.done, report.failed) == (9, 1)
    assert contents(s3, target_bucket)["to/004.tif"].body == b"precious"


def test_the_index_follows_without_a_listing(batch_catalog, filled, s3, bucket):
    made = plan(batch_catalog, "move", Selection(glob="00*.tif"), to=f"s3://{bucket}/maps/moved")
    apply_plan(batch_catalog, made.id)
    apply_changes(batch_catalog, "maps")
    assert index_now_keys(batch_catalog, "maps") == sorted(contents(s3, bucket, "maps/"))


def test_the_rows_say_who_did_what_and_why(batch_catalog, filled, s3, bucket, tmp_path: Path):
    made = plan(batch_catalog, "delete", Selection(glob="00*.tif"))
    s3.put_object(Bucket=bucket, Key="maps/003.tif", Body=b"newer")
    apply_plan(batch_catalog, made.id, actor="ana", reason="duplicates")
    assert write_rows(batch_catalog, made.id, tmp_path / "all.parquet") == 10
    assert write_rows(batch_catalog, made.id, tmp_path / "failed.csv", "failed") == 1
    text = (tmp_path / "failed.csv").read_text()
    assert "ana" in text
    assert "duplicates" in text
    assert "changed" in text
    report = report_on(batch_catalog, made.id)
    assert (report.done, report.failed, report.applied_by) == (9, 1, "ana")
    assert sum(report.preconditions.values()) == 9
