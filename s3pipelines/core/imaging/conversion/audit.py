"""Whether what was converted is still what it was, wherever its plans have put it."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from s3pipelines.core.batch.targets import target_access
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import Gone, InvalidInput, StorageError
from s3pipelines.core.imaging.audit import GONE, Audit, Made, byte_fault, each, files_of
from s3pipelines.core.imaging.conversion.outputs import OUTPUTS
from s3pipelines.core.imaging.headers import read_header
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.storage.derived_files import DerivedFiles, open_derived_files
from s3pipelines.core.storage.locations import S3Location

_CONVERTED = "kind = 'convert'"
_BY_EXTENSION = {output.extension: name for name, output in OUTPUTS.items()}
_CONNECTIONS = 8


def audit_conversions(
    catalog: Catalog,
    source_id: str,
    selection: Selection,
    pool: DecodePool,
    progress: Callable[[int], None] = lambda _: None,
) -> Audit:
    """Look at what was converted of the objects as they are now, and not taken back.

    Of several that were written to one key, the last counts. Each is fetched; its size and SHA-256
    are compared with its row, and it is reopened: its format has to be that of its ending, its
    width and height those of the row, and it has to be upright.

    Args:
        catalog: Where the tables are.
        source_id: A registered source.
        selection: Of which objects.
        pool: Where the files are opened.
        progress: Is told how many are done.

    Raises:
        InvalidInput: The selection is wrong.
        NotFound: There is no such source.
        StorageError: The catalog cannot be read.
    """
    source = get_source(catalog, source_id)

    @lru_cache(maxsize=32)
    def files_in(bucket: str) -> DerivedFiles:
        location = S3Location(bucket, "")
        access = target_access(catalog, source, location)
        return open_derived_files(location, access, connections=_CONNECTIONS)

    def look(made: Made) -> str | None:
        bucket, _, key = made.uri.removeprefix("s3://").partition("/")
        with tempfile.TemporaryFile() as file:
            try:
                files_in(bucket).fetch(key, file)
            except Gone:
                return GONE
            except (StorageError, InvalidInput) as error:
                return f"It cannot be read: {error.message}"
            return byte_fault(file, made) or _fault_of_header(file, made, pool)

    return each(files_of(catalog, source_id, selection, _CONVERTED), look, progress)


def count_conversions(catalog: Catalog, source_id: str, selection: Selection) -> int:
    """How many files `audit_conversions` would look at."""
    return sum(1 for _ in files_of(catalog, source_id, selection, _CONVERTED))


@dataclass(frozen=True)
class _FileBytes:
    """An open file as something to read ranges of."""

    file: BinaryIO
    size_bytes: int

    def read_range(self, offset: int, length: int) -> bytes:
        return os.pread(self.file.fileno(), length, offset)


def _fault_of_header(file: BinaryIO, made: Made, pool: DecodePool) -> str | None:
    ending = made.uri.rpartition("/")[2].rpartition(".")[2].lower()
    try:
        found = read_header(pool, _FileBytes(file, made.size_bytes), ending)
    except Refused as refused:
        return refused.failure.detail
    promised = _BY_EXTENSION.get(ending, found.format)
    if found.format != promised:
        return f"It is {found.format}, and not {promised}."
    if (found.width_px, found.height_px) != (made.width_px, made.height_px):
        return (
            f"It has {found.width_px:,} x {found.height_px:,} pixels and not "
            f"{made.width_px:,} x {made.height_px:,}."
        )
    return None if found.orientation == 1 else "It is not upright."
