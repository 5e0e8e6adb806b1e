"""A catalog with the index of one source, and a bucket to write to."""

import uuid
from collections.abc import Callable

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source

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
