"""Two states of the index of a source, compared by the rule that tells what counts as a change."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.index_files import IndexFiles
from s3pipelines.core.catalog.past import Moment, index_at
from s3pipelines.core.detection.differences import KINDS, VERSION_DIFFERENCES
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sql.failures import RAISED_BY_DUCKDB, statement_error

_BATCH_ROWS = 4096


@dataclass(frozen=True)
class StateDifferences:
    """What differs between two states; good within the block of `compare_states`.

    Attributes:
        counts: Objects by kind; every kind is present.
    """

    counts: dict[str, int]
    _connection: duckdb.DuckDBPyConnection
    _memory_limit_mb: int

    @property
    def changed(self) -> int:
        """How many objects differ."""
        return sum(self.counts.values())

    def rows(self, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """The objects that differ, by key, as they are read.

        Args:
            limit: Most rows.

        Yields:
            `kind`, `key`, and how the object is afterwards: `size_bytes`, `etag`,
            `last_modified`, `storage_class`, `version_id`; all None where it was deleted.

        Raises:
            InvalidInput: It needs more memory than it may.
        """
        query = "FROM differences ORDER BY key"
        if limit is not None:
            query += f" LIMIT {int(limit)}"
        try:
            with closing(self._connection.execute(query).to_arrow_reader(_BATCH_ROWS)) as reader:
                for batch in reader:
                    yield from batch.to_pylist()
        except RAISED_BY_DUCKDB as error:
            raise statement_error(error, self._memory_limit_mb) from error


@contextmanager
def compare_states(
    catalog: Catalog, source_id: str, before: Moment, after: Moment
) -> Iterator[StateDifferences]:
    """Compare two states of the index of a source; what does not fit into memory is spilled.

    Raises:
        NotFound: There is no such source, or no such state (any more).
        StorageError: The catalog cannot be read.
    """
    get_source(catalog, source_id)
    old, new = index_at(catalog, source_id, before), index_at(catalog, source_id, after)
    with compare_indexes(catalog, old, new) as found:
        yield found


@contextmanager
def compare_indexes(
    catalog: Catalog, old: IndexFiles, new: IndexFiles
) -> Iterator[StateDifferences]:
    """Compare two lists of objects; what does not fit into memory is spilled.

    Raises:
        StorageError: The catalog cannot be read.
    """
    old, new = _without_common(old, new)
    with connect(catalog) as connection:
        listed = f"SELECT *, true AS settled FROM ({new.rows()})"
        connection.execute(f"CREATE TEMP VIEW listed AS {listed}")
        connection.execute(f"CREATE TEMP VIEW indexed AS {old.rows()}")
        connection.execute(f"CREATE TEMP TABLE differences AS {VERSION_DIFFERENCES}")
        found = connection.execute("SELECT kind, count(*) FROM differences GROUP BY kind")
        counts: dict[str, int] = {**dict.fromkeys(KINDS, 0), **dict(found.fetchall())}
        yield StateDifferences(counts, connection, catalog.memory_limit_mb)


def _without_common(old: IndexFiles, new: IndexFiles) -> tuple[IndexFiles, IndexFiles]:
    """Both without the files that cannot make a difference.

    A file never changes, so what both have is the same. But the tail stands in its place for some
    keys, and if the tails differ, so may those.
    """
    if set(old.tail) != set(new.tail):
        return old, new
    common = set(old.merged) & set(new.merged)
    return _without(old, common), _without(new, common)


def _without(index: IndexFiles, files: set[Any]) -> IndexFiles:
    return replace(index, merged=tuple(file for file in index.merged if file not in files))
