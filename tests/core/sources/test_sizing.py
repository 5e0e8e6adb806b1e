import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import NoSuchBucket
from s3pipelines.core.sources import sizing
from s3pipelines.core.sources.sizing import Size, size_of
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.locations import FolderLocation
from tests.conftest import PutObjects
from tests.core.storage.fake_s3 import bucket_of, fake_s3


def test_what_belongs_to_the_source_is_counted(
    local_catalog: Catalog, bucket: str, put_objects: PutObjects
) -> None:
    put_objects("p/a.tif", "p/b.tif", "p/c.txt", "q/d.tif", body=b"12345")
    source = Source(id="a", bucket=bucket, prefix="p/", include=("*.tif",))
    assert size_of(local_catalog, source) == Size(2, 10, complete=True)


def test_an_empty_source_has_no_size(local_catalog: Catalog, bucket: str) -> None:
    source = Source(id="a", bucket=bucket, prefix="")
    assert size_of(local_catalog, source) == Size(0, 0, complete=True)


def test_a_missing_bucket_is_an_error(local_catalog: Catalog) -> None:
    with pytest.raises(NoSuchBucket):
        size_of(local_catalog, Source(id="a", bucket="no-such-bucket", prefix=""))


@pytest.mark.parametrize(
    ("objects", "counted", "complete", "requests"),
    [(1999, 1999, True, 2), (2000, 2000, True, 2), (2001, 2000, False, 2), (9000, 2000, False, 2)],
)
def test_only_the_beginning_of_a_large_source_is_listed(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path,
    objects: int,
    counted: int,
    complete: bool,
    requests: int,
) -> None:
    monkeypatch.setattr(sizing, "_MOST_PAGES", 2)
    with fake_s3(bucket_of([f"{n:04}" for n in range(objects)])) as server:
        catalog = Catalog(FolderLocation(tmp_path), server.access())
        found = size_of(catalog, Source(id="a", bucket="bucket", prefix=""))
    assert found == Size(counted, counted * 4, complete)
    assert len(server.asked) == requests


def test_a_source_is_sized_with_its_own_access(tmp_path) -> None:
    with fake_s3(bucket_of(["a"])) as server:
        source = Source(id="a", bucket="bucket", prefix="", endpoint_url=server.url, anonymous=True)
        assert size_of(Catalog(FolderLocation(tmp_path), Access()), source).objects == 1
    assert "authorization" not in server.asked[0].headers
