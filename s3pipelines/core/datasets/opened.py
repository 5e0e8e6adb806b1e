"""A source, or a version of it, for Python programs: its objects as a table, and as files."""

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.key_ranges import KeyRange, successor
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.datasets.file_cache import FileCache
from s3pipelines.core.datasets.member_reader import MemberReader
from s3pipelines.core.datasets.members import Member
from s3pipelines.core.datasets.object_files import BUFFER_BYTES, ObjectFile
from s3pipelines.core.datasets.proofs import Known, Prover
from s3pipelines.core.datasets.states import SourceState
from s3pipelines.core.datasets.versions import Version
from s3pipelines.core.errors import NotFound, StorageError
from s3pipelines.core.sql.selection import Selection

_RANGE_BYTES = 8 * 1024 * 1024
_RANGES_AT_A_TIME = 8
_KEPT_MEMBERS = 100_000


class OpenedSource:
    """The objects of a source in one state; made by `s3pipelines.open_source`.

    Threads may share it, and it may be sent to other processes.

    Args:
        catalog: Where the index and the versions are.
        state: The source, in that state.
        cache: Where local copies are kept.
    """

    def __init__(self, catalog: Catalog, state: SourceState, cache: FileCache) -> None:
        self._catalog = catalog
        self._state = state
        self._cache = cache
        self._turn = threading.Lock()
        self._reader: MemberReader | None = None
        self._members: dict[str, Member] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        # Locks and connections stay where they are.
        return OpenedSource, (self._catalog, self._state, self._cache)

    def __repr__(self) -> str:
        return f"OpenedSource({self.name!r})"

    @property
    def name(self) -> str:
        """`ID` or `ID@VERSION`."""
        return self._state.name

    @property
    def version(self) -> Version | None:
        """The version; None for the index as it was when the source was opened."""
        return self._state.version

    def objects(self, **selection: Any) -> pa.Table:
        """The objects as an Arrow table, in the order of their keys.

        Args:
            **selection: `where`, `regex`, `glob`, `limit`, as on the command line, and `keys`: a
                set of full keys.

        Returns:
            The columns of the table `objects`, and `name`: the key below the source's prefix.

        Raises:
            InvalidInput: The selection is wrong.
            StorageError: The catalog cannot be read.
        """
        chosen, prefix = Selection(**selection), self._state.source.prefix
        most = "" if chosen.limit is None else f"LIMIT {int(chosen.limit)}"
        with connect(self._catalog) as connection:
            source_id = self._state.source.id
            create_source_views(connection, self._catalog, source_id, *chosen.asked_tables)
            connection.execute(f"CREATE VIEW objects AS {self._state.index.rows()}")
            condition = chosen.condition(connection, prefix)
            query = (
                f"SELECT *, substr(key, {len(prefix) + 1}) AS name FROM objects "
                f"WHERE {condition} ORDER BY key {most}"
            )
            return connection.execute(query).to_arrow_table()

    def open(self, name: str, *, buffer_bytes: int = BUFFER_BYTES) -> io.BufferedReader:
        """Open an object for reading; what is read of it is fetched then.

        Args:
            name: Its key below the source's prefix.
            buffer_bytes: How much is fetched at least.

        Raises:
            NotFound: The source, in this state, has no such object. What else is wrong shows when
                it is read, see `read`.
        """
        return io.BufferedReader(ObjectFile(self._reading(), self._member(name)), buffer_bytes)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object from `offset`, `length` of them or up to its end.

        Raises:
            NotFound: The source, in this state, has no such object.
            PreconditionFailed: It was overwritten since the source was opened.
            Gone: It was deleted; or it is a member of a version, and S3 does not have it any more.
            StorageError: It cannot be read.
        """
        member, reader = self._member(name), self._reading()
        left = max(0, member.size_bytes - offset)
        end = offset + (left if length is None else min(length, left))
        starts = range(offset, end, _RANGE_BYTES)

        def part(start: int) -> bytes:
            return reader.read(member, start, min(_RANGE_BYTES, end - start))

        if len(starts) < 2:
            return b"".join(map(part, starts))
        with ThreadPoolExecutor(_RANGES_AT_A_TIME) as pool:
            return b"".join(pool.map(part, starts))

    @contextmanager
    def local_path(self, name: str) -> Iterator[Path]:
        """A local copy of an object, from the cache; it stays for as long as the block runs.

        Its bytes were verified. The file is to be read only.

        Raises:
            NotFound: The source, in this state, has no such object.
            InvalidInput: It is larger than the cache, or the cache cannot be written.
            StorageError: It cannot be read (see `read`), or its bytes are not right.
        """
        member, source = self._member(name), self._state.source
        identity = "\n".join((source.endpoint_url or "", source.bucket, member.key, member.etag))

        def fetch(file: IO[bytes]) -> None:
            self._copy(member, file)

        with self._cache.hold(identity, member.name, member.size_bytes, fetch) as path:
            yield path

    def _copy(self, member: Member, file: IO[bytes]) -> None:
        at_a_time = _RANGE_BYTES * _RANGES_AT_A_TIME
        first = self.read(member.name, 0, at_a_time)
        prover = Prover(Known(member.size_bytes, member.etag, self._reading().headers(member)))
        for start in range(0, max(1, member.size_bytes), at_a_time):
            body = self.read(member.name, start, at_a_time) if start else first
            prover.update(body)
            file.write(body)
        if prover.proofs() is None:
            raise StorageError(
                f"What arrived of {member.key} is not what S3 says of it.", hint="Try it again."
            )

    def _member(self, name: str) -> Member:
        with self._turn:
            known = self._members.get(name)
        if known is not None:
            return known
        source = self._state.source
        key = source.prefix + name
        with connect(self._catalog) as connection:
            query = (
                "SELECT size_bytes, etag, version_id "
                f"FROM ({self._state.index.rows(KeyRange(key, successor(key)))}) WHERE key = ?"
            )
            found = connection.execute(query, [key]).fetchone()
        if found is None:
            raise NotFound(
                f"{self.name} has no object {name!r}.",
                hint="Names are keys below the source's prefix; 'objects()' lists them.",
            )
        member = Member(key, name, *found)
        with self._turn:
            if len(self._members) >= _KEPT_MEMBERS:
                self._members.clear()
            self._members[name] = member
        return member

    def _reading(self) -> MemberReader:
        with self._turn:
            if self._reader is None:
                access = self._state.source.access(self._catalog.access)
                self._reader = MemberReader(access, self._state)
            return self._reader
