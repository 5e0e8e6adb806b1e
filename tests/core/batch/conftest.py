"""A catalog with the index of one source, and a bucket to write to."""

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from tests.core.batch.buckets import Held, contents

Index = Callable[..., None]


@pytest.fixture
def index(local_catalog: Catalog, bucket: str) -> Index:
    """Register `maps/` of the test's bucket as the source `maps`, and index what is there."""

    def make(**options: object) -> None:
        create_source(local_catalog, "maps", f"s3://{bucket}/maps", **options)
        refresh_index(local_catalog, "maps")

    return make


@pytest.fixture
def target_bucket(s3) -> str:
    """A second bucket, empty."""
    name = f"target-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def versions(request: pytest.FixtureRequest, s3, bucket: str, target_bucket: str) -> bool:
    """Whether both buckets keep versions; no, unless a test is `in_both_kinds_of_buckets`."""
    keeps = getattr(request, "param", False)
    if keeps:
        enabled = {"Status": "Enabled"}
        for name in (bucket, target_bucket):
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=enabled)
    return keeps


@pytest.fixture
def trash_bucket(s3) -> str:
    """A bucket for the trash, empty."""
    name = f"trash-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def batch_catalog(local_catalog: Catalog, trash_bucket: str) -> Catalog:
    """A catalog in a folder, whose trash is a bucket."""
    return replace(local_catalog, trash=f"s3://{trash_bucket}/kept")


@pytest.fixture
def filled(s3, bucket: str, index, versions: bool) -> dict[str, Held]:
    """Objects of all kinds, and what the bucket holds."""
    for n in range(11):
        s3.put_object(
            Bucket=bucket,
            Key=f"maps/{n:03d}.tif",
            Body=b"%d" % n,
            ContentType="image/tiff",
            Metadata={"number": str(n)},
            Tagging=f"page={n}&kind=scan",
        )
    s3.put_object(Bucket=bucket, Key="maps/odd/ü +%&'<>.jpg", Body=b"odd")
    s3.put_object(Bucket=bucket, Key="maps/cool.tif", Body=b"ia", StorageClass="STANDARD_IA")
    index()
    return contents(s3, bucket)
