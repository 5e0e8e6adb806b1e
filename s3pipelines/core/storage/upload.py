"""Sending one local file to where it belongs."""

import shutil
from pathlib import Path

from botocore.exceptions import ClientError

from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.documents import folder_errors
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.locations import Location, S3Location


def place_file(access: Access, path: Path, location: Location, name: str) -> None:
    """Put a copy of `path` at `name` below a bucket's prefix, or below a folder.

    In a folder, who looks meanwhile may see a part of it: nobody may know the name yet.

    Raises:
        StorageError: It cannot be written.
    """
    if isinstance(location, S3Location):
        upload_file(access, path, location.bucket, f"{location.prefix}{name}")
        return
    target = location.path / name
    with folder_errors(location.path):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def upload_file(access: Access, path: Path, bucket: str, key: str) -> None:
    """Upload `path` to `s3://bucket/key`, in parts where it is large; it is there whole or not.

    A PUT and the completion of a multipart upload are both atomic; of one that fails boto3 removes
    the parts.

    Raises:
        StorageError: The object cannot be written; what was there before is unchanged.
    """
    from boto3.exceptions import S3UploadFailedError
    from boto3.s3.transfer import S3Transfer

    with s3_errors(bucket, key):
        try:
            S3Transfer(s3_client(access)).upload_file(str(path), bucket, key)
        except S3UploadFailedError as error:
            # boto3 hides S3's answer behind a text.
            if isinstance(error.__context__, ClientError):
                raise error.__context__ from None
            raise ValueError(str(error)) from error
