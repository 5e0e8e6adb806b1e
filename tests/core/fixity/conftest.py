"""A source with a few objects, one of them larger than a range."""

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from tests.core.datasets.conftest import MIB, bytes_of, proxy

__all__ = ["proxy"]


@pytest.fixture
def filled(local_catalog: Catalog, s3, bucket: str) -> dict[str, bytes]:
    """The indexed source `maps` of some objects, by their names below its prefix."""
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    objects = {"a.tif": b"one", "b.tif": b"two", "big.bin": bytes_of(7 * MIB + 5), "empty": b""}
    for name, body in objects.items():
        s3.put_object(Bucket=bucket, Key=f"maps/{name}", Body=body)
    refresh_index(local_catalog, "maps")
    return objects
