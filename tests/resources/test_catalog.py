from pathlib import Path

import pytest
from dagster import asset, materialize

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.locations import FolderLocation, S3Location
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.resources.s3 import CatalogS3Resource
from s3pipelines.settings import Settings


def test_the_catalog_is_the_one_of_the_settings() -> None:
    settings = Settings(
        catalog="s3://bucket/state",
        derivatives="s3://bucket/made/{source}",
        trash="s3://bucket/trash",
        memory_limit_mb=1024,
    )
    resource = CatalogResource.from_settings(settings, CatalogS3Resource(profile_name="lab"))
    assert resource.get() == Catalog(
        S3Location("bucket", "state/"),
        Access(profile="lab"),
        derivatives="s3://bucket/made/{source}",
        trash="s3://bucket/trash",
        memory_limit_mb=1024,
    )


def test_the_catalog_may_be_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    resource = CatalogResource(s3=CatalogS3Resource(), location="state")
    assert resource.get() == Catalog(FolderLocation(tmp_path / "state"))


def test_a_location_that_is_none_is_refused_when_it_is_needed() -> None:
    resource = CatalogResource(s3=CatalogS3Resource(), location="ftp://x")
    with pytest.raises(InvalidInput, match="'ftp://x' is not an S3 path"):
        resource.get()


def test_an_asset_gets_the_catalog(tmp_path: Path) -> None:
    found: list[Catalog] = []

    @asset
    def probe(catalog: CatalogResource) -> None:
        found.append(catalog.get())

    resource = CatalogResource(
        s3=CatalogS3Resource(region_name="eu-1"), location=str(tmp_path), trash="s3://bin/x"
    )
    assert materialize([probe], resources={"catalog": resource}).success
    assert found == [Catalog(FolderLocation(tmp_path), Access(region="eu-1"), trash="s3://bin/x")]
