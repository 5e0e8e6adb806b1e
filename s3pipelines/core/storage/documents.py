"""Small documents (registry entries, leases, step outputs) with compare-and-swap.

One protocol, two stores: an S3 prefix, through conditional PUTs, and a folder of this machine,
through exclusive file locks. Both replace a document whole or not at all.
"""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from s3pipelines.core.errors import (
    AccessDenied,
    AlreadyExists,
    Gone,
    PreconditionFailed,
    StorageError,
)
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.locations import FolderLocation, Location, S3Location

_LOCK_FILE = ".documents.lock"


@dataclass(frozen=True)
class Document:
    """What a document held when it was read; `tag` names exactly this content."""

    body: bytes
    tag: str


class Documents(Protocol):
    """A store of small documents under slash-separated names."""

    def create(self, name: str, body: bytes) -> str:
        """Write a new document and return its tag; `AlreadyExists` if there is one."""
        ...

    def read(self, name: str) -> Document:
        """Read a document; `Gone` if there is none."""
        ...

    def replace(self, name: str, body: bytes, tag: str) -> str:
        """Write over the document that `tag` names; `PreconditionFailed` if it changed."""
        ...

    def put(self, name: str, body: bytes) -> None:
        """Write a document, whether or not there is one."""
        ...

    def remove(self, name: str) -> None:
        """Remove a document; no error if there is none."""
        ...

    def names(self, prefix: str) -> list[str]:
        """The names below `prefix` (which ends with `/`), sorted."""
        ...


def open_documents(location: Location, access: Access) -> Documents:
    """The document store at `location`."""
    if isinstance(location, FolderLocation):
        return FolderDocuments(location.path)
    return S3Documents(location, access)


class S3Documents:
    """Documents as objects below a prefix; relies on `If-None-Match` and `If-Match` on PUT."""

    def __init__(self, location: S3Location, access: Access) -> None:
        self._bucket = location.bucket
        self._prefix = location.prefix
        self._client = s3_client(access)

    def create(self, name: str, body: bytes) -> str:
        """See `Documents.create`."""
        try:
            return self._put(name, body, {"IfNoneMatch": "*"})
        except PreconditionFailed as error:
            raise AlreadyExists(
                f"{self._key(name)} exists already.", hint="Choose another name."
            ) from error

    def read(self, name: str) -> Document:
        """See `Documents.read`."""
        with s3_errors(self._bucket, self._key(name)):
            response = self._client.get_object(Bucket=self._bucket, Key=self._key(name))
            return Document(response["Body"].read(), response["ETag"])

    def replace(self, name: str, body: bytes, tag: str) -> str:
        """See `Documents.replace`."""
        try:
            return self._put(name, body, {"IfMatch": tag})
        except Gone as error:
            raise PreconditionFailed(
                f"{self._key(name)} was removed by somebody else meanwhile.", hint="Repeat."
            ) from error

    def put(self, name: str, body: bytes) -> None:
        """See `Documents.put`."""
        self._put(name, body, {})

    def remove(self, name: str) -> None:
        """See `Documents.remove`."""
        with s3_errors(self._bucket, self._key(name)):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name))

    def names(self, prefix: str) -> list[str]:
        """See `Documents.names`."""
        with s3_errors(self._bucket):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._key(prefix)
            )
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return sorted(key.removeprefix(self._prefix) for key in keys)

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _put(self, name: str, body: bytes, condition: dict[str, str]) -> str:
        with s3_errors(self._bucket, self._key(name)):
            response = self._client.put_object(
                Bucket=self._bucket, Key=self._key(name), Body=body, **condition
            )
        return response["ETag"]


class FolderDocuments:
    """Documents as files; one lock file makes read-compare-write a single step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, name: str, body: bytes) -> str:
        """See `Documents.create`."""
        with self._exclusively():
            if self._path(name).exists():
                raise AlreadyExists(f"{name} exists already.", hint="Choose another name.")
            return self._write(name, body)

    def read(self, name: str) -> Document:
        """See `Documents.read`."""
        with _folder_errors(self._folder):
            try:
                body = self._path(name).read_bytes()
            except FileNotFoundError as error:
                raise Gone(f"There is no document {name}.", hint="Check its name.") from error
        return Document(body, _tag(body))

    def replace(self, name: str, body: bytes, tag: str) -> str:
        """See `Documents.replace`."""
        with self._exclusively():
            path = self._path(name)
            if not path.exists() or _tag(path.read_bytes()) != tag:
                raise PreconditionFailed(
                    f"{name} was changed by somebody else meanwhile.",
                    hint="Read it again and repeat.",
                )
            return self._write(name, body)

    def put(self, name: str, body: bytes) -> None:
        """See `Documents.put`."""
        with self._exclusively():
            self._write(name, body)

    def remove(self, name: str) -> None:
        """See `Documents.remove`."""
        with self._exclusively():
            self._path(name).unlink(missing_ok=True)

    def names(self, prefix: str) -> list[str]:
        """See `Documents.names`."""
        files = (path for path in self._path(prefix).rglob("*") if path.is_file())
        relative = (path.relative_to(self._folder).as_posix() for path in files)
        return sorted(name for name in relative if not name.endswith(".part"))

    def _path(self, name: str) -> Path:
        return self._folder / name

    def _write(self, name: str, body: bytes) -> str:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
            part.write(body)
            part.flush()
            os.fsync(part.fileno())
        os.replace(part.name, path)
        return _tag(body)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        with _folder_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / _LOCK_FILE).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield


@contextmanager
def _folder_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise AccessDenied(
            f"The folder {folder} cannot be used ({error.strerror}).",
            hint="Check its permissions, or set S3PIPELINES_CATALOG to another place.",
        ) from error
    except OSError as error:
        raise StorageError(
            f"The folder {folder} cannot be used ({error.strerror or error}).",
            hint="Check the disk, or set S3PIPELINES_CATALOG to another place.",
        ) from error


def _tag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
