from dataclasses import replace
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.guards import refuse_own_output
from s3pipelines.core.sources.registry import create_source, list_sources, update_source
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.access import Access, StaticKeys
from s3pipelines.core.storage.locations import FolderLocation, S3Location
from tests.conftest import PutObjects
from tests.core.storage.fake_s3 import bucket_of, fake_s3

ACCESS = Access(endpoint_url="http://minio:9000", static_keys=StaticKeys("a", "b"))


CATALOG = Catalog(S3Location("own", "team/catalog/"), ACCESS)


def _source(prefix: str, bucket: str = "own", **options: object) -> Source:
    fields = {"id": "maps", "bucket": bucket, "prefix": prefix, **options}
    return Source.model_validate(fields)


@pytest.mark.parametrize(
    ("prefix", "what"),
    [
        ("", "catalog"),  # The whole bucket holds the catalog.
        ("team/", "catalog"),
        ("team/catalog/", "catalog"),
        ("team/catalog/tables/", "catalog"),  # The source lies within it.
        ("team/catalog/derivatives/maps/", "catalog"),
    ],
)
def test_a_source_and_the_catalog_must_not_hold_each_other(prefix: str, what: str) -> None:
    with pytest.raises(InvalidInput, match=f"overlaps with the {what} of this project"):
        refuse_own_output(CATALOG, _source(prefix))


@pytest.mark.parametrize("prefix", ["team/scans/", "team/catalogs/", "team/cat/", "catalog/"])
def test_a_source_beside_the_catalog_is_fine(prefix: str) -> None:
    refuse_own_output(CATALOG, _source(prefix))
    refuse_own_output(CATALOG, _source("", bucket="other"))


@pytest.mark.parametrize("setting", ["derivatives", "trash"])
@pytest.mark.parametrize(
    ("template", "prefix"),
    [
        ("s3://data/made", ""),
        ("s3://data/made", "made/"),
        ("s3://data/made", "made/thumbnails/"),
        ("s3://data/made/{source}", "made/other/"),  # The output of another source.
        ("s3://data/made/x-{source}/y", "made/"),
        ("s3://data/{source}", "anything/"),
    ],
)
def test_a_source_and_the_other_outputs_must_not_hold_each_other(
    setting: str, template: str, prefix: str
) -> None:
    catalog = replace(CATALOG, **{setting: template})
    with pytest.raises(InvalidInput, match=f"overlaps with the {setting} of this project"):
        refuse_own_output(catalog, _source(prefix, bucket="data"))


@pytest.mark.parametrize("setting", ["derivatives", "trash"])
def test_a_source_beside_the_other_outputs_is_fine(setting: str) -> None:
    catalog = replace(CATALOG, **{setting: "s3://data/made/{source}"})
    for prefix in ("scans/", "made-by-us/", "mad/"):
        refuse_own_output(catalog, _source(prefix, bucket="data"))


def test_a_bucket_of_the_same_name_at_another_server_is_another_bucket() -> None:
    for endpoint in ("http://minio:9001", "http://minio", "aws"):
        refuse_own_output(CATALOG, _source("", endpoint_url=endpoint))


@pytest.mark.parametrize("endpoint", ["http://minio:9000", "http://MINIO:9000/"])
def test_the_same_server_under_another_spelling_is_the_same_bucket(endpoint: str) -> None:
    with pytest.raises(InvalidInput, match="overlaps"):
        refuse_own_output(CATALOG, _source("", endpoint_url=endpoint))


def test_the_server_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://localhost:9000")
    keys = StaticKeys("a", "b")
    catalog = Catalog(S3Location("own", "state/"), Access(static_keys=keys))
    with pytest.raises(InvalidInput, match="overlaps"):
        refuse_own_output(catalog, _source("", endpoint_url="http://127.0.0.1:9000"))
    refuse_own_output(catalog, _source("", endpoint_url="aws"))


def test_a_catalog_in_a_folder_overlaps_with_no_bucket(tmp_path: Path) -> None:
    refuse_own_output(Catalog(FolderLocation(tmp_path), ACCESS), _source(""))


def test_outputs_on_s3_of_a_catalog_in_a_folder_are_kept_apart_too(tmp_path: Path) -> None:
    catalog = Catalog(FolderLocation(tmp_path), ACCESS, derivatives="s3://own/made/{source}")
    with pytest.raises(InvalidInput, match="overlaps with the derivatives"):
        refuse_own_output(catalog, _source(""))


def test_nothing_that_holds_the_catalog_can_be_registered(s3_catalog: Catalog) -> None:
    assert isinstance(s3_catalog.location, S3Location)
    with pytest.raises(InvalidInput, match="overlaps with the catalog"):
        create_source(s3_catalog, "maps", f"s3://{s3_catalog.location.bucket}")
    assert list_sources(s3_catalog) == []


def test_an_update_cannot_lead_a_source_to_the_catalog(
    s3_catalog: Catalog, put_objects: PutObjects
) -> None:
    assert isinstance(s3_catalog.location, S3Location)
    with fake_s3(bucket_of(["a"])) as server:
        create_source(
            s3_catalog,
            "maps",
            f"s3://{s3_catalog.location.bucket}",
            endpoint_url=server.url,
        )
        with pytest.raises(InvalidInput, match="overlaps with the catalog"):
            update_source(s3_catalog, "maps", "home", endpoint_url="")


def test_it_is_asked_again_when_the_settings_change(local_catalog: Catalog, bucket: str) -> None:
    source = create_source(local_catalog, "maps", f"s3://{bucket}/scans")
    changed = replace(local_catalog, derivatives=f"s3://{bucket}")
    with pytest.raises(InvalidInput, match="S3PIPELINES_CATALOG, _DERIVATIVES, _TRASH"):
        refuse_own_output(changed, source)
