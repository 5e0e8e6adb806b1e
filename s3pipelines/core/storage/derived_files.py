"""Large files that are made from objects: written from disk, whole or not at all, and read again.

Small ones, which are held in memory, are `outputs`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from s3pipelines.core.errors import Gone, InvalidInput
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import botocore_session, client_of
from s3pipelines.core.storage.documents import checked_name, copy_whole, folder_errors
from s3pipelines.core.storage.failures import s3_errors
from s3pipelines.core.storage.locations import FolderLocation, Location, S3Location
from s3pipelines.core.storage.parted_upload import PartedUpload
from s3pipelines.core.storage.quick import QuickObjects

_MIB = 1024 * 1024
# Up to this, a file is one request; beyond, it goes up in parts, each with its checksum.
_ONE_REQUEST_BYTES = 8 * _MIB
_LONGEST_KEY_BYTES = 1024
# Of 255, some are for the name that a file has until it is whole.
_LONGEST_PART_BYTES = 200


class Upload(Protocol):
    """A file on its way to its place, where it is not to be seen yet."""

    def publish(self) -> None:
        """Let it appear, whole; errors as in `DerivedFiles.put`."""
        ...

    def call_off(self) -> None:
        """Leave nothing of it."""
        ...


class DerivedFiles(Protocol):
    """A place for derivatives; may be shared by threads."""

    def require_name(self, name: str) -> None:
        """Refuse a name that a file here cannot have.

        Raises:
            InvalidInput: It is too long, or would lead elsewhere.
        """
        ...

    def put(self, name: str, file: BinaryIO, content_type: str) -> None:
        """Write a file whole or not at all, whether or not there is one.

        Args:
            name: Slash-separated.
            file: An open file on disk; all of it is written.
            content_type: What it is.

        Raises:
            InvalidInput: It cannot have this name.
            StorageError: The place cannot be written; what was there is unchanged.
        """
        ...

    def begin(self, name: str, file: BinaryIO, content_type: str) -> Upload:
        """Begin to write a file, which appears under its name when it is published.

        Whatever is wrong shows then. The arguments are those of `put`; the file must stay as it is,
        and be read by others at a position of their own.
        """
        ...

    def fetch(self, name: str, file: BinaryIO) -> None:
        """Append a file to an open one.

        Raises:
            Gone: There is no such file.
            StorageError: It cannot be read.
        """
        ...

    def read(self, name: str, offset: int, length: int) -> bytes:
        """The bytes from `offset`, `length` of them or up to the end; errors as in `fetch`."""
        ...


def open_derived_files(
    location: Location, access: Access, *, connections: int = 32
) -> DerivedFiles:
    """The place for derivatives at `location`.

    Args:
        location: A folder of a bucket or of this machine.
        access: How to reach the bucket.
        connections: Most requests in flight at a time.

    Raises:
        StorageError: The AWS configuration of this machine cannot be used.
    """
    if isinstance(location, FolderLocation):
        return FolderFiles(location.path)
    return S3Files(location, access, connections)


@dataclass(frozen=True)
class PutLater:
    """A file that is written only when it is published, as it takes no time to speak of."""

    files: DerivedFiles
    name: str
    file: BinaryIO
    content_type: str

    def publish(self) -> None:
        """See `Upload.publish`."""
        self.files.put(self.name, self.file, self.content_type)

    def call_off(self) -> None:
        """See `Upload.call_off`: there is nothing yet."""


class S3Files:
    """Files as objects below a prefix."""

    def __init__(self, location: S3Location, access: Access, connections: int) -> None:
        self._bucket = location.bucket
        self._prefix = location.prefix
        session = botocore_session(access)
        self._client = client_of(session, access, connections=connections)
        self._quick = QuickObjects(session, self._client, access, location.bucket)

    def require_name(self, name: str) -> None:
        """See `DerivedFiles.require_name`."""
        if len(self._key(name).encode(errors="surrogatepass")) > _LONGEST_KEY_BYTES:
            raise InvalidInput(
                f"{name!r} is too long for a key of S3.", hint="Use a template that makes less."
            )

    def put(self, name: str, file: BinaryIO, content_type: str) -> None:
        """See `DerivedFiles.put`."""
        self.require_name(name)
        key = self._key(name)
        if os.fstat(file.fileno()).st_size <= _ONE_REQUEST_BYTES:
            body = os.pread(file.fileno(), _ONE_REQUEST_BYTES, 0)
            if self._quick.put(key, body, content_type):
                return
            with s3_errors(self._bucket, key):
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=body, ContentType=content_type
                )
            self._quick.boto3_managed()
            return
        self.begin(name, file, content_type).publish()

    def begin(self, name: str, file: BinaryIO, content_type: str) -> Upload:
        """See `DerivedFiles.begin`."""
        if os.fstat(file.fileno()).st_size <= _ONE_REQUEST_BYTES:
            return PutLater(self, name, file, content_type)
        self.require_name(name)
        target = (self._bucket, self._key(name))
        return PartedUpload(self._client, target, file.fileno(), content_type)

    def fetch(self, name: str, file: BinaryIO) -> None:
        """See `DerivedFiles.fetch`."""
        key = self._key(name)
        with s3_errors(self._bucket, key):
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
            with body:
                file.writelines(body.iter_chunks(_MIB))

    def read(self, name: str, offset: int, length: int) -> bytes:
        """See `DerivedFiles.read`."""
        key = self._key(name)
        if length <= 0:
            return b""
        with s3_errors(self._bucket, key):
            answer = self._client.get_object(
                Bucket=self._bucket, Key=key, Range=f"bytes={offset}-{offset + length - 1}"
            )
            return answer["Body"].read()

    def _key(self, name: str) -> str:
        return self._prefix + checked_name(name)


class FolderFiles:
    """Files of a folder; each is on the disk before its row says so."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def require_name(self, name: str) -> None:
        """See `DerivedFiles.require_name`."""
        parts = checked_name(name).split("/")
        if any(len(part.encode(errors="surrogatepass")) > _LONGEST_PART_BYTES for part in parts):
            raise InvalidInput(
                f"{name!r} has a part that is too long for a file.",
                hint="Use a template that makes less, or keep derivatives on S3.",
            )

    def put(self, name: str, file: BinaryIO, content_type: str) -> None:  # noqa: ARG002
        """See `DerivedFiles.put`."""
        self.require_name(name)
        file.seek(0)
        with folder_errors(self._folder):
            try:
                copy_whole(self._folder / name, file)
            except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
                raise InvalidInput(
                    f"{name!r} would be a file and a folder at once.",
                    hint="Use another template, or keep derivatives on S3.",
                ) from error

    def begin(self, name: str, file: BinaryIO, content_type: str) -> Upload:
        """See `DerivedFiles.begin`; there is nothing that takes long."""
        return PutLater(self, name, file, content_type)

    def fetch(self, name: str, file: BinaryIO) -> None:
        """See `DerivedFiles.fetch`."""
        with self._opened(name) as origin:
            while chunk := origin.read(_MIB):
                file.write(chunk)

    def read(self, name: str, offset: int, length: int) -> bytes:
        """See `DerivedFiles.read`."""
        with self._opened(name) as origin:
            origin.seek(offset)
            return origin.read(max(length, 0))

    def _opened(self, name: str) -> BinaryIO:
        with folder_errors(self._folder):
            try:
                return (self._folder / checked_name(name)).open("rb")
            except FileNotFoundError as error:
                raise Gone(f"There is no file {name}.", hint="Make it again.") from error
