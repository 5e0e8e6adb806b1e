"""Uploading to a folder of a bucket that may lie in sources, or in none."""

from dataclasses import replace

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.uploading import Upload, Uploaded, upload
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.locations import S3Location
from tests.core.datasets.conftest import MIB, bytes_of
from tests.core.datasets.proxy import CountingProxy

PART = 5 * MIB


def _upload(catalog: Catalog, bucket: str, *paths, to: str = "new/", **more) -> Uploaded:
    return upload(catalog, Upload(f"s3://{bucket}/{to}", paths, part_bytes=PART, **more))


def _keys(s3, bucket: str) -> list[str]:
    return [row["Key"] for row in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_files_go_where_no_source_is(local_catalog, s3, bucket, write):
    big = bytes_of(2 * PART + 1)
    folder = write("scans/a/1.tif", b"one").parents[1]
    alone = write("big.bin", big)

    done = _upload(local_catalog, bucket, folder, alone, tags={"by": "me"})

    assert (done.counts, done.sources) == ({"uploaded": 2}, [])
    assert _keys(s3, bucket) == ["new/big.bin", "new/scans/a/1.tif"]
    assert s3.get_object(Bucket=bucket, Key="new/big.bin")["Body"].read() == big
    tags = s3.get_object_tagging(Bucket=bucket, Key="new/scans/a/1.tif")["TagSet"]
    assert tags == [{"Key": "by", "Value": "me"}]
    assert _upload(local_catalog, bucket, folder, alone).counts == {"unchanged": 2}


def test_the_sources_that_a_file_belongs_to_are_told(local_catalog, s3, bucket, write):
    for name, prefix in (("maps", "new"), ("scans", "new/scans"), ("other", "other")):
        create_source(local_catalog, name, f"s3://{bucket}/{prefix}")
    folder = write("scans/1.tif", b"one").parent

    done = _upload(local_catalog, bucket, folder)

    assert done.sources == ["maps", "scans"]
    for source in done.sources:
        groups = apply_changes(local_catalog, source).groups
        assert sum(group.objects for group in groups) == 1


def test_many_files_are_asked_about_by_listings_and_sent_with_one_request_each(
    local_catalog, bucket, write, proxy: CountingProxy
):
    catalog = replace(local_catalog, access=proxy.access)
    folder = write("scans/000.tif", b"0").parent
    for number in range(1, 150):
        write(f"scans/{number:03d}.tif", b"%d" % number)

    assert _upload(catalog, bucket, folder).counts == {"uploaded": 150}

    assert proxy.count("HEAD") == 0
    assert proxy.count("GET", "list-type") == 1
    assert proxy.count("PUT") == 150
    proxy.passed.clear()
    write("scans/150.tif", b"new")
    assert _upload(catalog, bucket, folder).counts == {"unchanged": 150, "uploaded": 1}
    assert (proxy.count("HEAD"), proxy.count("PUT")) == (150, 1)


@pytest.mark.slow
def test_a_bucket_full_of_others_is_not_listed(
    local_catalog, s3, bucket, write, proxy: CountingProxy, put_objects
):
    catalog = replace(local_catalog, access=proxy.access)
    folder = write("scans/000.tif", b"0").parent
    for number in range(70):
        write(f"scans/{number:03d}.tif", b"%d" % number)
        put_objects(*(f"new/scans/{number:03d}.tif.{other}" for other in range(30)))

    assert _upload(catalog, bucket, folder).counts == {"uploaded": 70}
    assert proxy.count("GET", "list-type") <= 2


def test_what_is_there_is_only_replaced_when_that_is_said(local_catalog, s3, bucket, write):
    s3.put_object(Bucket=bucket, Key="new/a.tif", Body=b"other")
    path = write("a.tif", b"mine!")

    [one] = _upload(local_catalog, bucket, path).files
    assert (one.outcome, one.error) == ("failed", "exists")
    dry = _upload(local_catalog, bucket, path, overwrite=True, dry_run=True)
    assert dry.counts == {"would_replace": 1}
    assert _upload(local_catalog, bucket, path, overwrite=True).counts == {"replaced": 1}
    assert s3.get_object(Bucket=bucket, Key="new/a.tif")["Body"].read() == b"mine!"


def test_nothing_is_written_to_read_only_sources_or_the_projects_own_folders(
    local_catalog, s3, bucket, write
):
    create_source(local_catalog, "maps", f"s3://{bucket}/new/a", read_only=True)
    path = write("a/1.tif", b"one").parent

    with pytest.raises(InvalidInput, match="which is read-only"):
        _upload(local_catalog, bucket, path)
    own = replace(local_catalog, location=S3Location(bucket, "state/"))
    with pytest.raises(InvalidInput, match="lies in the catalog of this project"):
        _upload(own, bucket, path, to="state/tables")
    assert _keys(s3, bucket) == []


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("s3://bucket-x/a/b.tif", "looks like the key of an object"),
        ("s3://bucket-x/a//b/", "is no folder of a bucket"),
        ("s3://bucket-x/../b/", "is no folder of a bucket"),
        ("s3:///b/", "is not an S3 path"),
    ],
)
def test_a_place_that_is_none_is_refused(local_catalog, write, to: str, says: str):
    with pytest.raises(InvalidInput, match=says):
        upload(local_catalog, Upload(to, [write("a.tif", b"1")]))
