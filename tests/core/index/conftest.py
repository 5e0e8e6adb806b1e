"""A source whose index is up to date."""

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source


@pytest.fixture
def maps(catalog: Catalog, bucket, put_objects) -> Catalog:
    """A source `maps` of four objects whose index is up to date."""
    put_objects("m/a", "m/b", "m/c", "m/d")
    create_source(catalog, "maps", f"s3://{bucket}/m")
    refresh_index(catalog, "maps")
    return catalog


@pytest.fixture
def local(local_catalog: Catalog, bucket, put_objects) -> Catalog:
    """The same in a folder."""
    put_objects("m/a", "m/b", "m/c", "m/d")
    create_source(local_catalog, "maps", f"s3://{bucket}/m")
    refresh_index(local_catalog, "maps")
    return local_catalog
