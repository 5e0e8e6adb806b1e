"""Small documents (registry entries, leases, step outputs) with compare-and-swap.

One protocol, two stores: an S3 prefix, through conditional PUTs, and a folder of this machine,
through exclusive file locks. Both replace a document whole or not at all.
"""

import fcntl
import hashlib
import io
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol

from s3pipelines.core.errors import (
    AccessDenied,
    AlreadyExists,
    Gone,
    InvalidInput,
    PreconditionFailed,
    StorageError,
)
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.locations import FolderLocation, Location, S3Location

_LOCK_FILE = ".documents.lock"
_UNFINISHED = ".unfinished-"
# Documents are small, and a lease must hear of a lost answer before it expires.
_READ_TIMEOUT_S = 8
_ATTEMPTS = 3
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Document:
    """What a document held when it was read; `tag` names exactly this content."""

    body: bytes
    tag: str


class Documents(Protocol):
    """A store of small documents under slash-separated names.

    Names have no empty part, no `.` or `..`, and no part that begins with `.unfinished-`;
    anything else may stand in them. All methods raise `InvalidInput` for other names, and
    `StorageError` if the store cannot be used.

    A write whose answer is lost is tried again, and then refused because of itself: who must know
    reads the document and looks whether it is their own.
    """

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

    def names(self, prefix: str, *, after: str = "") -> list[str]:
        """The names below `prefix` (which ends with `/`), sorted.

        Args:
            prefix: What they begin with.
            after: Only those whose rest comes after this one.
        """
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
        brief = replace(access, max_attempts=min(access.max_attempts, _ATTEMPTS))
        self._client = s3_client(brief, read_timeout_s=_READ_TIMEOUT_S)

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
            # S3 takes an ETag with and without its quotes; Ceph's gateway, of a PUT, without only.
            return self._put(name, body, {"IfMatch": tag.strip('"')})
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

    def names(self, prefix: str, *, after: str = "") -> list[str]:
        """See `Documents.names`."""
        with s3_errors(self._bucket):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket,
                Prefix=self._key(prefix),
                **({"StartAfter": self._key(prefix) + after} if after else {}),
            )
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return sorted(key.removeprefix(self._prefix) for key in keys)

    def _key(self, name: str) -> str:
        return self._prefix + checked_name(name)

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
        with folder_errors(self._folder):
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

    def names(self, prefix: str, *, after: str = "") -> list[str]:
        """See `Documents.names`."""
        found: list[str] = []
        with folder_errors(self._folder):
            # Not `rglob`, which takes a folder that may not be read for an empty one.
            for folder, _, files in os.walk(self._path(prefix), onerror=_not_empty):
                relative = Path(folder).relative_to(self._folder)
                found += [(relative / name).as_posix() for name in files if not _is_internal(name)]
        return sorted(name for name in found if name.removeprefix(prefix) > after)

    def _path(self, name: str) -> Path:
        return self._folder / checked_name(name)

    def _write(self, name: str, body: bytes) -> str:
        write_whole(self._path(name), body)
        return _tag(body)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        with folder_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / _LOCK_FILE).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield


def write_whole(path: Path, body: bytes) -> None:
    """Write a file that is there whole or not at all, and after a power cut, too.

    Raises:
        OSError: It cannot be written; what was there before is unchanged.
    """
    copy_whole(path, io.BytesIO(body))


def copy_whole(path: Path, origin: BinaryIO) -> None:
    """The same of an open file, from where it is to its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not a `tempfile`, which only its owner may read: a catalog can be shared by a group.
    part = path.with_name(f"{_UNFINISHED}{uuid.uuid4().hex}")
    try:
        with part.open("xb") as file:
            shutil.copyfileobj(origin, file, _CHUNK_BYTES)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def folder_errors(folder: Path) -> Iterator[None]:
    """Turn what the system says of a folder that stands in for S3 into a `StorageError`.

    Raises:
        AccessDenied: It may not be used.
        StorageError: It cannot be used.
    """
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


def _not_empty(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _is_internal(file_name: str) -> bool:
    return file_name == _LOCK_FILE or file_name.startswith(_UNFINISHED)


def checked_name(name: str) -> str:
    """The name, if it leads nowhere else than where it says, in a folder and in a bucket.

    Raises:
        InvalidInput: It has an empty part, `.` or `..`, or a name kept for other things.
    """
    parts = name.removesuffix("/").split("/")
    if "\0" in name or any(part in ("", ".", "..") or _is_internal(part) for part in parts):
        raise InvalidInput(f"{name!r} cannot be the name of a document.", hint="Choose another.")
    return name


def _tag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
