"""Copies that one request of the server cannot make: of large objects, and between identities."""

from pathlib import Path

import pytest

from s3pipelines.core.batch import copying
from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from tests.core.batch.buckets import contents
from tests.core.batch.plans import plan, undo
from tests.servers import on_every_server

MB = 1024 * 1024


@pytest.fixture
def large(s3, bucket: str, index) -> None:
    """An object of 11 MB, with all that a copy has to bring along."""
    s3.put_object(
        Bucket=bucket,
        Key="maps/large.tif",
        Body=bytes(range(256)) * (11 * MB // 256),
        ContentType="image/tiff",
        Metadata={"number": "7"},
        Tagging="page=7",
    )
    index()


@on_every_server
def test_large_objects_are_moved_in_parts_and_verified_by_their_bytes(
    batch_catalog, large, s3, bucket, target_bucket, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(copying, "LARGEST_SINGLE_COPY_BYTES", MB)
    before = contents(s3, bucket)
    made = plan(batch_catalog, "move", to=f"s3://{target_bucket}/maps")

    report = apply_plan(batch_catalog, made.id)

    assert (report.done, report.failed) == (1, 0)
    assert s3.head_object(Bucket=target_bucket, Key="maps/large.tif")["ETag"].endswith('-1"')
    assert contents(s3, bucket) == {}
    assert contents(s3, target_bucket) == before
    assert undo(batch_catalog, made).failed == 0
    assert contents(s3, bucket) == before


def test_what_two_identities_hold_goes_through_this_machine(
    batch_catalog, large, s3, bucket, target_bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    s3.put_object(Bucket=bucket, Key="maps/small.tif", Body=b"small", Tagging="page=8")
    refresh_index(batch_catalog, "maps")
    before = contents(s3, bucket)
    keys = tmp_path / "credentials"
    keys.write_text("[other]\naws_access_key_id = other\naws_secret_access_key = other\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    create_source(batch_catalog, "other", f"s3://{target_bucket}/maps", profile="other")
    made = plan(batch_catalog, "copy", to=f"s3://{target_bucket}/maps")

    report = apply_plan(batch_catalog, made.id)

    assert (report.done, report.failed) == (2, 0)
    assert contents(s3, target_bucket) == before
    # In parts of 8 MB, where the server would have copied it in one.
    assert s3.head_object(Bucket=target_bucket, Key="maps/large.tif")["ETag"].endswith('-2"')
