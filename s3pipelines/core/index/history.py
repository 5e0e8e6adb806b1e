"""The states that the index of a source went through, from the logs of its two tables."""

import heapq
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.commits import Commit, CommitLog
from s3pipelines.core.catalog.schemas import OBJECTS, OBJECTS_TAIL
from s3pipelines.core.sources.registry import get_source

_CHANGED_BY_MERGE = (
    "num_target_rows_inserted",
    "num_target_rows_updated",
    "num_target_rows_deleted",
)


@dataclass(frozen=True)
class IndexState:
    """What one commit made of the index of a source.

    Attributes:
        at: When it was written, by the clock of the writer.
        version: The version of `objects` then; None while there was no such table.
        tail_version: The version of `objects_tail` then, if there was one.
        table: The one of the two that the commit wrote.
        written_as: `merge`, `replacement`, `append`, `removal`; of the tail: `tail`, `tail cleared`
            (what was in it is merged).
        rows_changed: Objects that differ since; None where the log does not tell.
        rows_written: Rows of the files that were written.
        files_added: How many those are.
        files_removed: Files that they stand for.
    """

    at: datetime
    version: int | None
    tail_version: int | None
    table: str
    written_as: str
    rows_changed: int | None
    rows_written: int
    files_added: int
    files_removed: int


def index_history(
    catalog: Catalog, source_id: str, limit: int | None = None
) -> tuple[IndexState, ...]:
    """The states of the index of a source, the newest first.

    What only rewrote files, and what other sources did, is left out.

    Args:
        catalog: Where the registry and the tables are.
        source_id: A registered source.
        limit: Most states; the log is read no further.

    Raises:
        NotFound: There is no such source.
        StorageError: The catalog cannot be read.
    """
    get_source(catalog, source_id)
    merged, tail = CommitLog(catalog, OBJECTS), CommitLog(catalog, OBJECTS_TAIL)
    with (
        closing(_of_source(merged, source_id)) as of_merged,
        closing(_of_source(tail, source_id)) as of_tail,
    ):
        newest_first = heapq.merge(of_merged, of_tail, key=lambda pair: pair[1].at, reverse=True)
        return tuple(
            _state(merged, tail, log, commit, source_id)
            for log, commit in islice(newest_first, limit)
        )


def _of_source(log: CommitLog, source_id: str) -> Generator[tuple[CommitLog, Commit], None, None]:
    for commit in log.newest_first():
        if source_id in commit.changed:
            yield log, commit


def _state(
    merged: CommitLog, tail: CommitLog, log: CommitLog, commit: Commit, source_id: str
) -> IndexState:
    of_tail = log is tail
    changed = commit.changed[source_id]
    return IndexState(
        at=commit.at,
        version=merged.last_until(commit.at) if of_tail else commit.version,
        tail_version=commit.version if of_tail else tail.last_until(commit.at),
        table=log.schema.name,
        written_as=_tail_written_as(commit, source_id) if of_tail else _written_as(commit),
        rows_changed=_rows_changed(commit, of_tail),
        rows_written=changed.rows,
        files_added=changed.added,
        files_removed=changed.removed,
    )


def _tail_written_as(commit: Commit, source_id: str) -> str:
    return "tail" if commit.changed[source_id].added else "tail cleared"


def _written_as(commit: Commit) -> str:
    if commit.operation == "WRITE":
        return "append" if commit.mode == "Append" else "replacement"
    return {"MERGE": "merge", "DELETE": "removal"}.get(commit.operation, commit.operation.lower())


def _rows_changed(commit: Commit, of_tail: bool) -> int | None:
    metrics = commit.metrics
    if commit.operation == "MERGE":
        return sum(metrics.get(name, 0) for name in _CHANGED_BY_MERGE)
    if commit.operation == "WRITE" and commit.mode == "Append":
        return metrics.get("num_added_rows")
    if commit.operation == "DELETE":
        return 0 if of_tail else metrics.get("num_deleted_rows")
    return None
