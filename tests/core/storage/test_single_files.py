"""One local file to a bucket, and one object to a local file."""

import os
from pathlib import Path
from typing import Any

import pytest

from s3pipelines.core.errors import Gone, NoSuchBucket
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.download import fetch_file
from s3pipelines.core.storage.locations import FolderLocation, S3Location
from s3pipelines.core.storage.upload import place_file, upload_file


@pytest.mark.parametrize("size_bytes", [0, 1, 20_000_000])
def test_a_file_comes_back_as_it_went_whether_in_parts_or_not(
    size_bytes: int, bucket: str, tmp_path: Path
):
    given, back = tmp_path / "given", tmp_path / "back"
    given.write_bytes(os.urandom(size_bytes))
    upload_file(Access(), given, bucket, "a/key")
    fetch_file(Access(), bucket, "a/key", back)
    assert back.read_bytes() == given.read_bytes()


def test_a_file_is_placed_below_a_prefix_or_in_a_folder(bucket: str, s3: Any, tmp_path: Path):
    given = tmp_path / "given"
    given.write_bytes(b"abc")
    place_file(Access(), given, S3Location(bucket, "p/"), "a/b")
    place_file(Access(), given, FolderLocation(tmp_path / "f"), "a/b")
    assert s3.get_object(Bucket=bucket, Key="p/a/b")["Body"].read() == b"abc"
    assert (tmp_path / "f/a/b").read_bytes() == b"abc"


def test_an_object_that_is_not_there_is_gone(bucket: str, tmp_path: Path):
    with pytest.raises(Gone):
        fetch_file(Access(), bucket, "nothing", tmp_path / "back")


def test_a_bucket_that_is_not_there_is_named(moto: object, tmp_path: Path):
    given = tmp_path / "given"
    given.write_bytes(b"abc")
    with pytest.raises(NoSuchBucket, match="no-such-bucket"):
        upload_file(Access(), given, "no-such-bucket", "key")
