# pyright: standard
# pyarrow ships no types.
"""Which of the objects below a source's prefix belong to it, and which have come to rest."""

import fnmatch
import re
from collections.abc import Iterable
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.listing.pages import LISTED, LISTED_VERSIONS, ListingPage

# `settled` is false while a file may still be written in further puts.
_SETTLED = pa.field("settled", pa.bool_(), nullable=False)
SCOPED = LISTED.append(_SETTLED)
SCOPED_VERSIONS = LISTED_VERSIONS.append(_SETTLED)


class Scope:
    """The rules of one source, ready to be applied to many pages."""

    def __init__(self, source: Source) -> None:
        self._prefix = source.prefix
        self._include = _any_of(source.include)
        self._exclude = _any_of(source.exclude)
        self._settle = timedelta(seconds=source.settle_s)

    def of(self, page: ListingPage) -> pa.RecordBatch:
        """The objects of the page that belong to the source, and whether they have settled.

        Of schema `SCOPED`, or of `SCOPED_VERSIONS` where the page tells versions.
        """
        objects = page.objects
        if not self._holds_all(objects):
            objects = objects.filter(pa.array(self._belongs(objects), type=pa.bool_()))
        settled = self._settled(objects.column("last_modified"), page.server_time)
        schema = SCOPED_VERSIONS if objects.num_columns == len(LISTED_VERSIONS) else SCOPED
        return pa.RecordBatch.from_arrays([*objects.columns, settled], schema=schema)

    def _holds_all(self, objects: pa.RecordBatch) -> bool:
        """Nothing has to be looked at by its name: the usual case, told at once for a page."""
        if self._include is not None or self._exclude is not None:
            return False
        smallest = pc.call_function("min", [objects.column("size_bytes")]).as_py()
        # Only an empty object can be the marker of a folder.
        return smallest is None or smallest > 0

    def holds(self, key: str, size_bytes: int | None = None) -> bool:
        """Whether a key belongs to the source; without a size, by its name alone."""
        if size_bytes is not None and is_folder_marker(key, size_bytes):
            return False
        return key.startswith(self._prefix) and self._wanted(key[len(self._prefix) :])

    def _belongs(self, objects: pa.RecordBatch) -> list[bool]:
        keys = objects.column("key").to_pylist()
        sizes = objects.column("size_bytes").to_pylist()
        return [self.holds(key, size) for key, size in zip(keys, sizes, strict=True)]

    def _wanted(self, name: str) -> bool:
        if self._include is not None and not self._include.match(name):
            return False
        return self._exclude is None or not self._exclude.match(name)

    def _settled(self, last_modified: pa.Array, server_time: datetime) -> pa.Array:
        if not self._settle:
            return pc.call_function("is_valid", [last_modified])
        rested_since = pa.scalar(server_time - self._settle, type=last_modified.type)
        # By name: pyarrow makes its functions at run time, so that no type checker knows them.
        return pc.call_function("less_equal", [last_modified, rested_since])


def is_folder_marker(key: str, size_bytes: int) -> bool:
    """Tell a folder that a console or Hadoop drew from an object."""
    return size_bytes == 0 and key.endswith(("/", "_$folder$"))


def _any_of(globs: Iterable[str]) -> re.Pattern[str] | None:
    """Shell patterns as `aws s3 --include` and `--exclude` read them."""
    patterns = [fnmatch.translate(glob) for glob in globs]
    return re.compile("|".join(patterns)) if patterns else None
