"""Sending one local file to S3; it appears there whole or not at all."""

from pathlib import Path

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.failures import s3_errors


def upload_file(access: Access, path: Path, bucket: str, key: str) -> None:
    """Upload `path` to `s3://bucket/key`, in parts where it is large.

    A PUT and the completion of a multipart upload are both atomic; of one that fails boto3 removes
    the parts.

    Raises:
        StorageError: The object cannot be written; what was there before is unchanged.
    """
    with s3_errors(bucket, key):
        try:
            s3_client(access).upload_file(str(path), bucket, key)
        except S3UploadFailedError as error:
            # boto3 hides S3's answer behind a text.
            if isinstance(error.__context__, ClientError):
                raise error.__context__ from None
            raise ValueError(str(error)) from error
