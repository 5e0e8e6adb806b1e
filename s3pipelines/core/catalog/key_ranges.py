"""Ranges of keys, and which files of a table hold one, from what Delta's log says of the files.

A page is a few dozen rows of a million. The log knows the first and last key of each file, so that
a page opens one or two of them instead of hundreds.

Keys compare by their UTF-8 bytes, as S3 lists them; Python's comparison of texts gives the same
order.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

import pyarrow as pa
from deltalake import DeltaTable

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TableSchema
from s3pipelines.core.catalog.tables import find_table, table_errors

_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True)
class KeyRange:
    """The keys from `start` up to, and without, `end`; None is no end."""

    start: str = ""
    end: str | None = None

    @property
    def is_empty(self) -> bool:
        """No key can be in it."""
        return self.end is not None and self.end <= self.start

    def after(self, key: str) -> "KeyRange":
        """What of it comes after `key`."""
        return replace(self, start=max(self.start, successor(key)))

    def before(self, key: str) -> "KeyRange":
        """What of it comes before `key`."""
        return replace(self, end=key if self.end is None else min(self.end, key))

    def within(self, other: "KeyRange") -> "KeyRange":
        """What of it is in another range, too."""
        cut = self if other.end is None else self.before(other.end)
        return replace(cut, start=max(self.start, other.start))

    def beyond(self, done: "KeyRange", *, backward: bool = False) -> "KeyRange":
        """What of it is left after `done`, which is its first part, or its last if `backward`."""
        if backward:
            return KeyRange(self.start, done.start)
        return KeyRange(done.end, self.end) if done.end is not None else NO_KEYS


NO_KEYS = KeyRange("", "")


def prefix_range(prefix: str) -> KeyRange:
    """The keys that begin with `prefix`."""
    kept = prefix.rstrip(chr(_LAST_CODE_POINT))
    if not kept:
        return KeyRange(prefix)
    following = ord(kept[-1]) + 1
    if following in _SURROGATES:  # They stand in no UTF-8.
        following = _SURROGATES.stop
    return KeyRange(prefix, kept[:-1] + chr(following))


def successor(key: str) -> str:
    """The very next key after `key`."""
    return key + "\0"


@dataclass(frozen=True)
class KeyFile:
    """One file of a table.

    Attributes:
        uri: Where it lies, as DuckDB takes it.
        rows: Its rows.
        first: No key of it comes before this one.
        last: No key of it comes after this one; None if that is not known.
    """

    uri: str
    rows: int
    first: str
    last: str | None

    def overlaps(self, keys: KeyRange) -> bool:
        """It may hold keys of the range."""
        starts_before_end = keys.end is None or self.first < keys.end
        return starts_before_end and (self.last is None or self.last >= keys.start)


def files_by_source(catalog: Catalog, schema: TableSchema) -> dict[str, list[KeyFile]]:
    """The files of a table as it is now, by source; none if the table does not exist yet.

    Raises:
        StorageError: The catalog cannot be read.
    """
    table = find_table(catalog, schema)
    return {} if table is None else files_of_version(catalog, schema, table)


def files_of_version(
    catalog: Catalog, schema: TableSchema, table: DeltaTable
) -> dict[str, list[KeyFile]]:
    """The files of a table in exactly the handle's version, by source.

    Raises:
        StorageError: The catalog cannot be read.
    """
    return files_of_actions(catalog, schema, actions_of(catalog, schema, table))


def actions_of(catalog: Catalog, schema: TableSchema, table: DeltaTable) -> pa.Table:
    """What the log says of the files of a table in exactly the handle's version, one a row.

    Raises:
        StorageError: The catalog cannot be read.
    """
    with table_errors(catalog, schema.name):
        return pa.table(table.get_add_actions(flatten=True))


def files_of_actions(
    catalog: Catalog, schema: TableSchema, actions: pa.Table
) -> dict[str, list[KeyFile]]:
    """The files that `actions_of` told of, by source; an empty one in a table without sources."""
    files: dict[str, list[KeyFile]] = {}
    for action in actions.to_pylist():
        # deltalake gives no statistics at all where no file has any, and truncates long keys: the
        # first one down, the last one up.
        file = KeyFile(
            uri=f"{catalog.table_uri(schema.name)}/{action['path']}",
            rows=action["num_records"],
            first=action.get("min.key") or "",
            last=action.get("max.key"),
        )
        files.setdefault(action.get("partition.source") or "", []).append(file)
    return files


def overlapping(files: Iterable[KeyFile], keys: KeyRange) -> list[str]:
    """Where the files lie that may hold keys of the range."""
    return [file.uri for file in files if file.overlaps(keys)]


def window(
    files: Sequence[KeyFile], keys: KeyRange, rows: int, *, backward: bool = False
) -> KeyRange:
    """The first (or last) part of a range that holds at least so many rows, if the range does.

    Args:
        files: The files of the rows.
        keys: The range.
        rows: How many rows are wanted.
        backward: Take the last part.
    """
    found = 0
    if backward:
        whole = [file for file in files if _ends_within(file, keys)]
        for file in sorted(whole, key=attrgetter("first"), reverse=True):
            found += file.rows
            if found >= rows:
                return replace(keys, start=max(keys.start, file.first))
        return keys
    whole = [file for file in files if file.last is not None and file.first >= keys.start]
    for file in sorted(whole, key=lambda file: file.last or ""):
        found += file.rows
        if found >= rows:
            return keys.before(successor(file.last or ""))
    return keys


def windows(files: Sequence[KeyFile], keys: KeyRange, rows: int) -> Iterator[KeyRange]:
    """A range in parts, one after the other, of at least so many rows each but the last."""
    while not keys.is_empty:
        part = window(files, keys, rows)
        yield part
        if part == keys:
            return
        keys = keys.beyond(part)


def _ends_within(file: KeyFile, keys: KeyRange) -> bool:
    return file.last is not None and (keys.end is None or file.last < keys.end)
