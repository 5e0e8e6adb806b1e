"""Reports of S3 Inventory: what a manifest says, and its files, checked before they are used.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from s3pipelines.core.errors import Gone, InvalidInput, StorageError
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.failures import s3_errors

_MANIFEST, _CHECKSUM = "manifest.json", "manifest.checksum"
_CHUNK_BYTES = 1024 * 1024


class InventoryFile(BaseModel):
    """One file of a report.

    Attributes:
        key: Its key in the bucket of the report.
        size_bytes: Its size in bytes.
        md5: MD5 of its bytes, in hexadecimal.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    size_bytes: int = Field(alias="size", ge=0)
    md5: str = Field(alias="MD5checksum")


class _Manifest(BaseModel):
    source_bucket: str = Field(alias="sourceBucket")
    destination: str = Field(alias="destinationBucket")
    created_ms: int = Field(alias="creationTimestamp", gt=0)
    file_format: Literal["CSV", "ORC", "Parquet"] = Field(alias="fileFormat")
    file_schema: str = Field(alias="fileSchema")
    files: tuple[InventoryFile, ...]


@dataclass(frozen=True)
class Inventory:
    """One report.

    Attributes:
        uri: Where its manifest is.
        bucket: Where its files are.
        source_bucket: The bucket that it tells of.
        created_at: When S3 began to look at that bucket.
        file_format: How its files are written.
        csv_columns: The names of the columns of a CSV file, which has no header.
    """

    uri: str
    bucket: str
    source_bucket: str
    created_at: datetime
    file_format: Literal["CSV", "ORC", "Parquet"]
    csv_columns: tuple[str, ...]
    files: tuple[InventoryFile, ...]


def read_inventory(access: Access, uri: str) -> Inventory:
    """Read the manifest of a report, and check it against `manifest.checksum` beside it.

    Args:
        access: How to reach the bucket of the report.
        uri: `s3://BUCKET/…/manifest.json`.

    Raises:
        InvalidInput: That is no manifest of an inventory.
        StorageError: It cannot be read, or is damaged.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not key.endswith(_MANIFEST):
        raise InvalidInput(
            f"{uri!r} names no manifest of an S3 Inventory.",
            hint="Write s3://BUCKET/…/manifest.json, of the day that is to be taken in.",
        )
    body = _read(access, bucket, key)
    _require_checksum(access, bucket, key, uri, body)
    try:
        manifest = _Manifest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(
            f"{uri} is no manifest of an S3 Inventory ({where or 'JSON'}: {first['msg']}).",
            hint="Give the manifest.json that S3 wrote, as it is.",
        ) from error
    return Inventory(
        uri=uri,
        bucket=manifest.destination.removeprefix("arn:").rpartition(":")[2],
        source_bucket=manifest.source_bucket,
        created_at=datetime.fromtimestamp(manifest.created_ms / 1000, UTC),
        file_format=manifest.file_format,
        csv_columns=tuple(name.strip() for name in manifest.file_schema.split(",")),
        files=manifest.files,
    )


def download_files(access: Access, inventory: Inventory, path: Path) -> Iterator[InventoryFile]:
    """Fetch the files of a report into `path`, one after the other, a megabyte at a time.

    Yields:
        Each file, checked, while `path` has its bytes.

    Raises:
        StorageError: A file cannot be read, or is not what the manifest says.
    """
    client = s3_client(access)
    for file in inventory.files:
        digest, size_bytes = hashlib.md5(usedforsecurity=False), 0
        with s3_errors(inventory.bucket, file.key), path.open("wb") as target:
            body = client.get_object(Bucket=inventory.bucket, Key=file.key)["Body"]
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                digest.update(chunk)
                size_bytes += len(chunk)
                target.write(chunk)
        if size_bytes != file.size_bytes or digest.hexdigest() != file.md5.lower():
            raise _damaged(f"s3://{inventory.bucket}/{file.key}")
        yield file


def _require_checksum(access: Access, bucket: str, key: str, uri: str, body: bytes) -> None:
    try:
        beside = _read(access, bucket, f"{key.removesuffix(_MANIFEST)}{_CHECKSUM}")
    except Gone as error:
        raise StorageError(
            f"There is no {_CHECKSUM} beside {uri}.",
            hint="S3 writes it last: wait until the report is complete.",
        ) from error
    known = beside.decode("ascii", "replace").strip().lower()
    if known != hashlib.md5(body, usedforsecurity=False).hexdigest():
        raise _damaged(uri)


def _read(access: Access, bucket: str, key: str) -> bytes:
    with s3_errors(bucket, key):
        return s3_client(access).get_object(Bucket=bucket, Key=key)["Body"].read()


def _damaged(uri: str) -> StorageError:
    return StorageError(
        f"{uri} is not what its checksum says.",
        hint="Copy it again from where S3 wrote it, or take the next report.",
    )
