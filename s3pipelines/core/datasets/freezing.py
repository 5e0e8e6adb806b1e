"""Making a version: the index of a source, written down under the next number.

No object is copied and none is asked about. The manifest is written first and the document that
names it last, so that a version that was interrupted does not exist.
"""

import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.index_files import IndexFiles
from s3pipelines.core.catalog.key_ranges import KeyRange, windows
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.datasets.versions import (
    FILES_FOLDER,
    Version,
    VersionFile,
    every_version,
    files_location,
    get_version,
    version_document,
    version_numbers,
)
from s3pipelines.core.errors import AlreadyExists, Busy, InvalidInput, NotFound
from s3pipelines.core.index.state_differences import compare_indexes
from s3pipelines.core.sources.registry import get_source, whoami
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.upload import place_file

# What is sorted at a time; ten million rows are some fifty files.
_FILE_ROWS = 200_000
_ROW_GROUP_ROWS = 64 * 1024
_BATCH_ROWS = 20_000
_ATTEMPTS = 20
_STAMP = "%Y%m%d-%H%M%S"
_UNDER_WAY = timedelta(days=1)
_ROWS = pa.schema([field for field in OBJECTS.arrow if field.name != "source"])


@dataclass(frozen=True)
class Frozen:
    """What came of a snapshot.

    Attributes:
        version: The version that holds the state.
        is_new: It was made now; otherwise the latest one held exactly this state already.
    """

    version: Version
    is_new: bool


def snapshot(
    catalog: Catalog,
    source_id: str,
    message: str = "",
    *,
    by: str | None = None,
    say: Callable[[str], object] = lambda _: None,
) -> Frozen:
    """Freeze the index of a source as its next version.

    Args:
        catalog: Where the index is, and the version goes.
        source_id: A registered source.
        message: Why.
        by: Who; whoever runs this process by default.
        say: Is told of the steps, a line each.

    Raises:
        NotFound: There is no such source.
        InvalidInput: Its index is empty.
        StorageError: The catalog cannot be read or written.
    """
    source = get_source(catalog, source_id)
    index = IndexFiles.now(catalog, source_id)
    latest = _latest(catalog, source)
    if latest is not None and _is_same(catalog, latest, index):
        return Frozen(latest, is_new=False)
    _remove_leftovers(catalog, source_id)
    folder = f"{source_id}/{datetime.now(UTC):{_STAMP}}-{secrets.token_hex(4)}"
    writing = _written(catalog, index, folder, say)
    if not writing.objects:
        raise InvalidInput(
            f"The index of {source_id!r} is empty.",
            hint=f"Run 's3pipelines index refresh --source {source_id}' first.",
        )
    version = Version(
        source_id=source_id,
        generation=source.generation,
        number=1,
        message=message.strip(),
        created_at=datetime.now(UTC),
        created_by=by or whoami(),
        bucket=source.bucket,
        prefix=source.prefix,
        objects=writing.objects,
        size_bytes=writing.size_bytes,
        folder=folder,
        files=tuple(writing.files),
    )
    return Frozen(_numbered(catalog, version), is_new=True)


def _latest(catalog: Catalog, source: Source) -> Version | None:
    numbers = version_numbers(catalog, source.id)
    if not numbers:
        return None
    try:
        return get_version(catalog, source, numbers[-1])
    except NotFound:
        return None  # Of an earlier registration.


def _is_same(catalog: Catalog, version: Version, index: IndexFiles) -> bool:
    with compare_indexes(catalog, version.index(catalog), index) as found:
        return not found.changed


def _written(
    catalog: Catalog, index: IndexFiles, folder: str, say: Callable[[str], object]
) -> "_Writing":
    with (
        connect(catalog) as connection,
        tempfile.TemporaryDirectory(prefix="s3pipelines-version-") as local,
    ):
        writing = _Writing(catalog, folder, Path(local, "part.parquet"))
        for keys in windows(index.files, KeyRange(), _FILE_ROWS):
            writing.write(_rows(connection, index, keys))
            say(f"Wrote {writing.objects:,} rows")
    return writing


def _remove_leftovers(catalog: Catalog, source_id: str) -> None:
    """Remove what snapshots have left that were interrupted: files that no version names."""
    documents, head = catalog.documents, f"{FILES_FOLDER}/{source_id}/"
    names = documents.names(head)
    folders = {name.removeprefix(head).partition("/")[0] for name in names}
    # One that is younger may be under way.
    before = f"{datetime.now(UTC) - _UNDER_WAY:{_STAMP}}"
    doubtful = {folder for folder in folders if folder < before}
    if doubtful:
        every = every_version(catalog, source_id)
        doubtful -= {version.folder.rpartition("/")[2] for version in every}
    for name in names:
        if name.removeprefix(head).partition("/")[0] in doubtful:
            documents.remove(name)


class _Writing:
    """Writes the files of a manifest, one after the other."""

    def __init__(self, catalog: Catalog, folder: str, path: Path) -> None:
        self._access = catalog.access
        self._location = files_location(catalog, folder)
        self._path = path
        self.files: list[VersionFile] = []
        self.objects = 0
        self.size_bytes = 0

    def write(self, batches: Iterator[pa.RecordBatch]) -> None:
        rows, first, last = 0, "", ""
        with pq.ParquetWriter(self._path, _ROWS, compression="zstd", compression_level=1) as writer:
            for batch in batches:
                writer.write_batch(batch, row_group_size=_ROW_GROUP_ROWS)
                keys = batch.column("key")
                first, last = first if rows else keys[0].as_py(), keys[-1].as_py()
                rows += batch.num_rows
                self.size_bytes += pc.call_function("sum", [batch.column("size_bytes")]).as_py()
        if not rows:
            return
        name = f"{len(self.files):05d}.parquet"
        place_file(self._access, self._path, self._location, name)
        self.files.append(VersionFile(name=name, rows=rows, first=first, last=last))
        self.objects += rows


def _rows(
    connection: duckdb.DuckDBPyConnection, index: IndexFiles, keys: KeyRange
) -> Iterator[pa.RecordBatch]:
    # As parameters: a statement cannot hold a NUL, and the end of a slice may have one.
    given = {"first_key": keys.start} | ({} if keys.end is None else {"end_key": keys.end})
    end = "" if keys.end is None else "AND key < $end_key"
    query = f"""
        SELECT {", ".join(_ROWS.names)} FROM ({index.rows(keys)})
        WHERE key >= $first_key {end} ORDER BY key
    """
    with closing(connection.execute(query, given).to_arrow_reader(_BATCH_ROWS)) as reader:
        for batch in reader:
            yield batch.cast(_ROWS)


def _numbered(catalog: Catalog, version: Version) -> Version:
    """Write the document under the next number that is free; two at once get one each."""
    for _ in range(_ATTEMPTS):
        number = max(version_numbers(catalog, version.source_id), default=0) + 1
        numbered = version.model_copy(update={"number": number})
        name, body = version_document(version.source_id, number), _encoded(numbered)
        try:
            catalog.documents.create(name, body)
        except AlreadyExists:
            # A write whose answer was lost is tried again, and then refused because of itself.
            if catalog.documents.read(name).body != body:
                continue
        return numbered
    raise Busy(
        f"{_ATTEMPTS} versions of {version.source_id!r} were made by others in a moment.",
        hint="Run it again.",
    )


def _encoded(version: Version) -> bytes:
    return version.model_dump_json(indent=1).encode()
