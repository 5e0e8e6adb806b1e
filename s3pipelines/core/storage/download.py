"""Fetching one object into a local file."""

from pathlib import Path

from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.failures import s3_errors


def fetch_file(access: Access, bucket: str, key: str, path: Path) -> None:
    """Write `s3://bucket/key` to `path`, in ranges at a time where it is large.

    Raises:
        Gone: There is no such object.
        StorageError: It cannot be read; there may be a part of it.
    """
    from boto3.s3.transfer import S3Transfer

    with s3_errors(bucket, key):
        S3Transfer(s3_client(access)).download_file(bucket, key, str(path))
