"""Single objects that S3 does not tell of: they fail, and the others are done."""

import json
from typing import Any

import pytest

from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.batch.undoing import make_undo_plan
from tests.core.batch.plans import in_both_kinds_of_buckets, plan

DENIED = "maps/003.tif"


def deny(s3: Any, bucket: str, key: str) -> None:
    """Whoever asks about this object is refused; a listing tells of it all the same."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:HeadObject", "s3:GetObject"],
        "Resource": f"arn:aws:s3:::{bucket}/{key}",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


@in_both_kinds_of_buckets
@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("copy", {"to": "s3://{target}/to"}),
        ("move", {"to": "s3://{target}/to"}),
        ("delete", {}),
        ("delete", {"permanent": True}),
        ("tag", {"set": {"rights": "free"}}),
        ("storage-class", {"storage_class": "STANDARD_IA"}),
        ("metadata", {"set": {"a": "b"}}),
    ],
)
def test_an_object_that_nobody_may_ask_about_does_not_stop_the_others(
    batch_catalog, filled, versions: bool, s3, bucket, target_bucket, action, told
):
    told = {k: v.format(target=target_bucket) if k == "to" else v for k, v in told.items()}
    made = plan(batch_catalog, action, **told)
    deny(s3, bucket, DENIED)

    report = apply_plan(batch_catalog, made.id)

    # moto compares the ETag while it deletes, so that nobody has to ask about the object.
    unasked = action == "delete" and bool(told.get("permanent")) != versions
    failed = [(r.error, r.examples) for r in report.reasons if r.outcome == "failed"]
    assert failed == ([] if unasked else [("denied", (DENIED,))])
    assert report.left == 0
    s3.delete_bucket_policy(Bucket=bucket)
    assert apply_plan(batch_catalog, made.id).is_complete


@in_both_kinds_of_buckets
@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("copy", {"to": "s3://{target}/to"}),
        ("move", {"to": "s3://{target}/to"}),
        ("storage-class", {"storage_class": "STANDARD_IA"}),
    ],
)
def test_nor_does_it_stop_an_undo(batch_catalog, filled, s3, bucket, target_bucket, action, told):
    told = {k: v.format(target=target_bucket) if k == "to" else v for k, v in told.items()}
    made = plan(batch_catalog, action, **told)
    apply_plan(batch_catalog, made.id)
    undo = make_undo_plan(batch_catalog, made.id)
    where = target_bucket if action != "storage-class" else bucket
    denied = "to/003.tif" if action != "storage-class" else DENIED
    deny(s3, where, denied)

    report = apply_plan(batch_catalog, undo.id)

    assert (report.failed, report.left, report.reasons[0].examples) == (1, 0, (DENIED,))
    s3.delete_bucket_policy(Bucket=where)
    assert apply_plan(batch_catalog, undo.id).is_complete
