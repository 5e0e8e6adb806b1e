"""Large files on their way: nothing is to be seen before they are published, or left if not."""

import hashlib
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import pytest

from s3pipelines.core.errors import StorageError
from s3pipelines.core.imaging.publishing import Publishing
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.derived_files import open_derived_files
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.parted_upload import PartedUpload

BYTES = os.urandom(20 * 1024 * 1024)


@pytest.fixture
def file(tmp_path: Any) -> Iterator[BinaryIO]:
    """A file of two parts, with its position somewhere in the middle."""
    path = tmp_path / "file"
    path.write_bytes(BYTES)
    with path.open("rb") as opened:
        opened.seek(7)
        yield opened


def left(s3: Any, bucket: str) -> tuple[int, int]:
    """Objects, and uploads that were not ended."""
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    uploads = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return len(listed), len(uploads)


def test_a_file_appears_when_it_is_published(s3, bucket: str, file: BinaryIO):
    upload = PartedUpload(s3, (bucket, "a.tif"), file.fileno(), "image/tiff")
    for part in upload._parts:
        part.result()
    assert left(s3, bucket) == (0, 1)

    upload.publish()

    found = s3.get_object(Bucket=bucket, Key="a.tif")
    assert (found["Body"].read(), found["ContentType"]) == (BYTES, "image/tiff")
    assert left(s3, bucket) == (1, 0)
    assert file.tell() == 7


def test_nothing_is_left_of_what_is_called_off(s3, bucket: str, file: BinaryIO):
    PartedUpload(s3, (bucket, "a.tif"), file.fileno(), "image/tiff").call_off()

    assert left(s3, bucket) == (0, 0)


def test_a_part_that_fails_is_an_error_and_nothing_is_left(
    s3, bucket: str, file: BinaryIO, monkeypatch: pytest.MonkeyPatch
):
    send = s3.upload_part

    def only_the_first(**arguments: Any) -> Any:
        unknown = {"UploadId": "none"} if arguments["PartNumber"] == 2 else {}
        return send(**arguments | unknown)

    monkeypatch.setattr(s3, "upload_part", only_the_first)
    upload = PartedUpload(s3, (bucket, "a.tif"), file.fileno(), "image/tiff")

    with pytest.raises(StorageError):
        upload.publish()

    assert left(s3, bucket) == (0, 0)


def test_where_there_is_no_bucket_is_said_when_it_is_published(s3, file: BinaryIO):
    upload = PartedUpload(s3, ("no-such-bucket", "a.tif"), file.fileno(), "image/tiff")

    with pytest.raises(StorageError, match="no-such-bucket"):
        upload.publish()


def test_what_is_not_published_in_the_end_leaves_nothing(s3, bucket: str, file: BinaryIO):
    target = open_derived_files(S3Location(bucket, "x/"), Access())
    with Publishing(target, file) as publishing:
        publishing.begin("a.tif")
    assert left(s3, bucket) == (0, 0)

    with Publishing(target, file) as publishing:
        publishing.begin("a.tif")
        publishing.begin("a.tif")  # It had to be made in another way.
        known = publishing.publish("a.tif")

    assert known == (hashlib.sha256(BYTES).hexdigest(), len(BYTES))
    assert left(s3, bucket) == (1, 0)
