"""Drift: which members of a version were overwritten or deleted since it was made.

The index tells, so that a million members take seconds. Or S3 is asked about each of them, which
costs a request a member and does not depend on how fresh the index is.
"""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.index_files import IndexFiles
from s3pipelines.core.datasets.members import Member, Members, select_members
from s3pipelines.core.datasets.states import SourceState, source_state
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.storage.heads import ask_many

_BATCH_ROWS = 4096


@dataclass(frozen=True)
class Drifted:
    """A member that its key does not hold any more, or of which that could not be found out.

    Attributes:
        kind: `overwritten`, `deleted` or `failed`.
        etag: Of the member.
        etag_now: Of what the key holds now; None if it holds nothing.
        detail: Why it could not be found out.
    """

    kind: str
    key: str
    etag: str
    etag_now: str | None = None
    detail: str | None = None


@contextmanager
def find_drift(
    catalog: Catalog, name: str, *, ask: bool = False
) -> Iterator[tuple[SourceState, Iterator[Drifted]]]:
    """Compare a version with what its keys hold now.

    Args:
        catalog: Where the version is.
        name: `ID@VERSION`.
        ask: Ask S3 about each member, rather than the index.

    Yields:
        The version, and those of its members that differ.

    Raises:
        NotFound: There is no such source, or version of it.
        InvalidInput: No version is named.
        StorageError: The catalog cannot be read, or the bucket not be asked.
    """
    state = source_state(catalog, name)
    if state.version is None:
        raise InvalidInput(f"{name!r} names no version.", hint=f"Write for example {name}@1.")
    if ask:
        with select_members(catalog, state, Selection()) as members:
            found = _asked(catalog, state, members)
            with closing(found):
                yield state, found
        return
    with connect(catalog) as connection:
        yield state, _of_index(connection, state, IndexFiles.now(catalog, state.source.id))


def _of_index(
    connection: duckdb.DuckDBPyConnection, state: SourceState, now: IndexFiles
) -> Iterator[Drifted]:
    query = f"""
        SELECT member.key, member.etag, now.etag AS etag_now
        FROM ({state.index.rows()}) AS member LEFT JOIN ({now.rows()}) AS now USING (key)
        WHERE now.etag IS DISTINCT FROM member.etag OR now.size_bytes <> member.size_bytes
        ORDER BY member.key
    """
    with closing(connection.execute(query).to_arrow_reader(_BATCH_ROWS)) as reader:
        for batch in reader:
            for row in batch.to_pylist():
                kind = "deleted" if row["etag_now"] is None else "overwritten"
                yield Drifted(kind, row["key"], row["etag"], row["etag_now"])


def _asked(
    catalog: Catalog, state: SourceState, members: Members
) -> Generator[Drifted, None, None]:
    source, waiting = state.source, dict[str, Member]()

    def keys() -> Iterator[str]:
        for member in members:
            waiting[member.key] = member
            yield member.key

    with closing(ask_many(source.access(catalog.access), source.bucket, keys())) as answers:
        for answer in answers:
            member, found = waiting.pop(answer.key), answer.found
            if answer.error is not None:
                yield Drifted("failed", member.key, member.etag, detail=str(answer.error))
            elif found is None:
                yield Drifted("deleted", member.key, member.etag)
            elif (found.etag, found.size_bytes) != (member.etag, member.size_bytes):
                yield Drifted("overwritten", member.key, member.etag, found.etag)
