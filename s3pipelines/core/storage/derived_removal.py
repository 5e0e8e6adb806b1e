"""Removing files that were made from objects, one by one by their names."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import botocore_session, client_of
from s3pipelines.core.storage.documents import checked_name, folder_errors
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.locations import FolderLocation, Location, S3Location

_A_REQUEST = 1000


def remove_files(location: Location, access: Access, names: Sequence[str]) -> dict[str, str]:
    """Remove files of a place for derivatives; what is not there any more counts as removed.

    Args:
        location: The place.
        access: How to reach its bucket.
        names: Slash-separated, below the place.

    Returns:
        Of those that could not be removed, why.

    Raises:
        StorageError: The place itself cannot be written.
    """
    if isinstance(location, FolderLocation):
        return dict(_unlink(location.path, names))
    client = client_of(botocore_session(access), access)
    failed: dict[str, str] = {}
    # XML has no way to write a control character, and one would refuse the whole request.
    plain = [name for name in names if name.isprintable()]
    for at in range(0, len(plain), _A_REQUEST):
        failed |= _delete(client, location, plain[at : at + _A_REQUEST])
    for name in set(names) - set(plain):
        failed |= _delete_one(client, location, name)
    return failed


def _unlink(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        try:
            with folder_errors(folder):
                (folder / checked_name(name)).unlink(missing_ok=True)
        except StorageError as error:
            yield name, error.message


def _delete(client: Any, location: S3Location, names: Sequence[str]) -> dict[str, str]:
    keys = [{"Key": location.prefix + checked_name(name)} for name in names]
    with s3_errors(location.bucket):
        answer = client.delete_objects(
            Bucket=location.bucket, Delete={"Objects": keys, "Quiet": True}
        )
    return {
        error["Key"].removeprefix(location.prefix): f"{error.get('Code')}: {error.get('Message')}"
        for error in answer.get("Errors", [])
    }


def _delete_one(client: Any, location: S3Location, name: str) -> dict[str, str]:
    key = location.prefix + checked_name(name)
    try:
        with s3_errors(location.bucket, key):
            client.delete_object(Bucket=location.bucket, Key=key)
    except StorageError as error:
        return {name: error.message}
    return {}
