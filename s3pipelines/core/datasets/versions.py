"""Versions: a source frozen under a number, as a document and a manifest of its own.

The manifest is Parquet with the columns of `objects`, sorted by key, written once and never again.
So it reads like an index, and does not depend on how long the versions of the tables are kept.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.index_files import IndexFiles
from s3pipelines.core.catalog.key_ranges import KeyFile
from s3pipelines.core.errors import Gone, NotFound, Unreadable
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.locations import Location

FILES_FOLDER = "version_files"
_NAME = re.compile(r"(\d{9})\.json")
_READS_AT_A_TIME = 16


class VersionFile(BaseModel):
    """One file of a manifest: how many rows it has, and between which keys they lie."""

    model_config = ConfigDict(frozen=True)

    name: str
    rows: int
    first: str
    last: str


class Version(BaseModel):
    """A frozen state of a source.

    Attributes:
        source_id: The source.
        generation: The registration that it is of.
        number: From 1 on; no number is given twice, even if the id is registered anew.
        message: Why it was made.
        bucket: Bucket of all members.
        prefix: What their keys begin with.
        objects: How many members.
        size_bytes: Their size together.
        folder: Where its files are, below `version_files/` of the catalog.
        files: Its files, in the order of the keys.
    """

    model_config = ConfigDict(frozen=True)

    source_id: str
    generation: str
    number: int
    message: str = ""
    created_at: datetime
    created_by: str
    bucket: str
    prefix: str
    objects: int
    size_bytes: int
    folder: str
    files: tuple[VersionFile, ...]

    @property
    def name(self) -> str:
        """How people write it: `ID@NUMBER`."""
        return f"{self.source_id}@{self.number}"

    def index(self, catalog: Catalog) -> IndexFiles:
        """Its members, as a state of the index."""
        folder = files_location(catalog, self.folder).uri.rstrip("/")
        files = [
            KeyFile(f"{folder}/{file.name}", file.rows, file.first, file.last)
            for file in self.files
        ]
        return IndexFiles(self.source_id, tuple(files), ())


def files_location(catalog: Catalog, folder: str) -> Location:
    """Where the files of a manifest are."""
    return catalog.location.child(FILES_FOLDER).child(folder)


def version_document(source_id: str, number: int) -> str:
    """Name of the document of a version."""
    return f"versions/{source_id}/{number:09d}.json"


def version_numbers(catalog: Catalog, source_id: str) -> list[int]:
    """The numbers that were given under an id, in their order; of earlier registrations, too.

    Raises:
        StorageError: The catalog cannot be read.
    """
    folder = f"versions/{source_id}/"
    found = (_NAME.fullmatch(n.removeprefix(folder)) for n in catalog.documents.names(folder))
    return sorted(int(match[1]) for match in found if match)


def list_versions(catalog: Catalog, source: Source) -> list[Version]:
    """The versions of a source as it is registered, the oldest first.

    Raises:
        Unreadable: One of them is damaged, or was written by a newer release.
        StorageError: The catalog cannot be read.
    """
    every = every_version(catalog, source.id)
    return [version for version in every if version.generation == source.generation]


def every_version(catalog: Catalog, source_id: str) -> list[Version]:
    """The versions under an id, also those of earlier registrations, the oldest first.

    Raises:
        Unreadable: One of them is damaged, or was written by a newer release.
        StorageError: The catalog cannot be read.
    """
    numbers = version_numbers(catalog, source_id)
    with ThreadPoolExecutor(_READS_AT_A_TIME) as pool:
        return list(pool.map(lambda number: _read(catalog, source_id, number), numbers))


def get_version(catalog: Catalog, source: Source, number: int) -> Version:
    """A version of a source.

    Raises:
        NotFound: There is none of that number, or it is of an earlier registration of the id.
        Unreadable: It is damaged, or was written by a newer release.
        StorageError: The catalog cannot be read.
    """
    try:
        version = _read(catalog, source.id, number)
    except Gone as error:
        raise NotFound(
            f"There is no version {source.id}@{number}.",
            hint="'s3pipelines sources list' shows the versions; 's3pipelines data snapshot' makes "
            "one.",
        ) from error
    if version.generation != source.generation:
        raise NotFound(
            f"The version {version.name} is of an earlier registration of {source.id!r} "
            f"(s3://{version.bucket}/{version.prefix}).",
            hint="Its manifest is still in the catalog, below "
            f"{FILES_FOLDER}/{version.folder}; versions since have higher numbers.",
        )
    return version


def _read(catalog: Catalog, source_id: str, number: int) -> Version:
    body = catalog.documents.read(version_document(source_id, number)).body
    try:
        return Version.model_validate_json(body)
    except ValidationError as error:
        raise Unreadable(
            f"The version {source_id}@{number} cannot be read "
            f"({error.error_count()} faults in its document).",
            hint="It may come from a newer release: upgrade s3pipelines on this machine.",
        ) from error
