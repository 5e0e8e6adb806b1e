"""A listing written to files as it arrives, so that memory does not grow with the bucket."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from s3pipelines.core.index.journal import Finished, Journal, gaps
from s3pipelines.core.index.slices import Slice
from s3pipelines.core.sources.scope import SCOPED, SCOPED_VERSIONS, Scope
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.listing.asking import AskPage
from s3pipelines.core.storage.listing.pages import NotInOrder
from s3pipelines.core.storage.listing.parallel import IN_FLIGHT, Part, list_parts
from s3pipelines.core.storage.listing.ranges import NOTHING_KNOWN, KnownKeys, Span
from s3pipelines.core.storage.listing.serial import list_pages
from s3pipelines.core.storage.listing.versions import asking

# A row group per page would make the comparison slow; of more, each of the ranges that are listed
# at the same time holds some 100 kB.
_PAGES_PER_ROW_GROUP = 8
# A serial listing is kept in files of so many pages.
_PAGES_PER_FILE = 256
# Read once and thrown away, so what is quick to write, 74 bytes an object: only keys compress well;
# keys and ETags hardly repeat.
_QUICKLY: Any = {
    "compression": {"key": "lz4"},
    "use_dictionary": ["storage_class"],
    "write_statistics": ["key"],
}
# Comparing so many objects with the index takes some 100 MB.
_ROWS_PER_SLICE = 250_000


@dataclass(frozen=True)
class Spool:
    """A complete listing on disk.

    Attributes:
        paths: Parquet files of the schema of the source, each sorted by key, in the order of
            their keys.
        rows: Objects of the source, settled or not.
        waiting: Objects that have not settled yet.
        requests: Listing requests that were made.
    """

    paths: tuple[Path, ...]
    rows: int
    waiting: int
    requests: int

    @property
    def query(self) -> str:
        """A query for its rows, in the order of their keys."""
        return _query(self.paths)

    def slices(self) -> list[Slice]:
        """Its rows in parts of about `_ROWS_PER_SLICE`, which together cover every key."""
        found: list[Slice] = []
        paths: list[Path] = []
        after, rows = "", 0
        for number, path in enumerate(self.paths):
            paths.append(path)
            metadata = pq.read_metadata(path)
            rows += metadata.num_rows
            is_last = number == len(self.paths) - 1
            if is_last or rows >= _ROWS_PER_SLICE:
                end = None if is_last else _last_key(path, metadata.num_row_groups)
                if end is not None and "\0" in end:
                    continue  # It would end the statement that it stands in.
                found.append(Slice(_query(paths), after, end))
                paths, after, rows = [], end or "", 0
        return found


def _query(paths: Sequence[Path]) -> str:
    listed = ", ".join(sql_text(str(path)) for path in paths)
    return f"SELECT * FROM read_parquet([{listed}], hive_partitioning = false)"


def _last_key(path: Path, row_groups: int) -> str:
    with pq.ParquetFile(path) as file:
        return file.read_row_group(row_groups - 1, columns=["key"]).column(0)[-1].as_py()


def spool_listing(
    source: Source,
    access: Access,
    journal: Journal,
    known: KnownKeys = NOTHING_KNOWN,
    in_flight: int = IN_FLIGHT,
) -> Spool:
    """List the whole source into the folder of a journal, or what is left of it to list.

    A server that does not list in order from any key on is listed serially, page by page.

    Raises:
        StorageError: The listing broke off; a part of a listing is never used.
    """
    ask = asking(access, source.bucket, versions=source.versions)
    try:
        return _in_ranges(source, access, journal, known, in_flight, ask)
    except NotInOrder:
        journal.start_over()
        return _in_series(source, access, journal, ask)


def spooled_schema(source: Source) -> pa.Schema:
    """What is kept of each object that is listed."""
    return SCOPED_VERSIONS if source.versions else SCOPED


def _in_ranges(
    source: Source,
    access: Access,
    journal: Journal,
    known: KnownKeys,
    in_flight: int,
    ask: AskPage,
) -> Spool:
    writer, requests = _Writer(Scope(source), journal), 0
    spans = gaps(journal.finished)
    if spans:
        parts = list_parts(
            access,
            source.location,
            spans,
            known=known,
            in_flight=in_flight,
            ask=ask,
        )
        # A disk that is full must end the requests, too.
        with closing(parts):
            for part in parts:
                writer.write(part)
                requests += 1
    return _spool(source, journal, requests)


def _in_series(source: Source, access: Access, journal: Journal, ask: AskPage) -> Spool:
    writer, requests, start = _Writer(Scope(source), journal), 0, ""
    for page in list_pages(access, source.location, ask=ask):
        number = requests // _PAGES_PER_FILE
        requests += 1
        listed = None
        if page.is_last or requests % _PAGES_PER_FILE == 0:
            keys = page.objects.column("key")
            # A page without objects: where the file ends is not known, and need not be.
            end = None if page.is_last or not len(keys) else keys[-1].as_py()
            listed = Span(start, end)
            start = end or start
        writer.write(Part(number, page, listed))
    return _spool(source, journal, requests)


def _spool(source: Source, journal: Journal, requests: int) -> Spool:
    finished = sorted(journal.finished, key=lambda one: one.start)
    paths = [journal.folder / one.file for one in finished if one.file]
    if not paths:
        paths = [journal.folder / "nothing.parquet"]
        pq.write_table(spooled_schema(source).empty_table(), paths[0])
    return Spool(
        paths=tuple(paths),
        rows=sum(one.rows for one in finished),
        waiting=sum(one.waiting for one in finished),
        requests=requests,
    )


class _Writer:
    """Writes each range into a file of its own, and notes it when it is complete."""

    def __init__(self, scope: Scope, journal: Journal) -> None:
        self._scope = scope
        self._journal = journal
        self._files: dict[int, _RangeFile] = {}
        # Names of files that an earlier process has written are taken.
        taken = [int(Path(one.file).stem) for one in journal.finished if one.file]
        self._first = max(taken, default=-1) + 1

    def write(self, part: Part) -> None:
        file = self._files.get(part.range_id)
        if file is None:
            name = f"{self._first + part.range_id:06d}.parquet"
            file = self._files[part.range_id] = _RangeFile(self._journal.folder / name)
        file.write(self._scope.of(part.page))
        if part.listed is not None:
            del self._files[part.range_id]
            self._journal.add(file.finish(part.listed))


class _RangeFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: list[pa.RecordBatch] = []
        self._writer: pq.ParquetWriter | None = None
        self._rows = self._waiting = 0

    def write(self, objects: pa.RecordBatch) -> None:
        if not objects.num_rows:
            return
        self._rows += objects.num_rows
        self._waiting += objects.num_rows - objects.column("settled").true_count
        self._held.append(objects)
        if len(self._held) == _PAGES_PER_ROW_GROUP:
            self._flush()

    def finish(self, listed: Span) -> Finished:
        self._flush()
        if self._writer is None:
            return Finished(listed.start, listed.end, "", 0, 0, 0)
        self._writer.close()
        size_bytes = self._path.stat().st_size
        return Finished(
            listed.start, listed.end, self._path.name, size_bytes, self._rows, self._waiting
        )

    def _flush(self) -> None:
        if not self._held:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self._held[0].schema, **_QUICKLY)
        self._writer.write_table(pa.Table.from_batches(self._held))
        self._held.clear()
