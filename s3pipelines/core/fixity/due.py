"""Which objects an audit reads, and in which order: those first that were not read for longest.

So that audits with a budget, one after the other, work through everything.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow.parquet as pq

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import AUDITS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.datasets.members import Member, Members
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.quoting import sql_text

_COLUMNS = ("key", "size_bytes", "etag", "version_id", "known_sha256")
_BATCH_ROWS = 10_000
_HASHES = 2**64


@dataclass(frozen=True)
class Sample:
    """A share of the objects, drawn by a seed: the same of it give the same objects.

    Attributes:
        share: From 0 to 1, without 0.
        seed: Which of the many samples.
    """

    share: float = 1.0
    seed: int = field(default_factory=lambda: secrets.randbelow(2**31))

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InvalidInput(
                f"{self.share} is no share of the objects.", hint="Give 0.02, or 2%, up to 100%."
            )

    def condition(self, column: str) -> str:
        """As an SQL condition over a column of keys."""
        if self.share == 1:
            return "true"
        # MD5 and not `hash`: another release of DuckDB has to draw the same.
        drawn = f"md5_number_lower('{self.seed:d}:' || {column})"
        return f"{drawn} < {int(self.share * _HASHES)}::UBIGINT"


@dataclass(frozen=True, slots=True)
class Due:
    """An object that is to be read, and the SHA-256 that it has to have, if one is known."""

    member: Member
    known_sha256: str | None


@dataclass(frozen=True)
class DueObjects:
    """All of them, in their order; good within the block of `due_objects`.

    Attributes:
        objects: How many.
        size_bytes: Their size together.
    """

    path: Path
    prefix: str
    objects: int
    size_bytes: int

    def __iter__(self) -> Iterator[Due]:
        head = len(self.prefix)
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                columns = [batch.column(name).to_pylist() for name in _COLUMNS]
                for key, size, etag, version_id, sha256 in zip(*columns, strict=True):
                    yield Due(Member(key, key[head:], size, etag, version_id), sha256)


@contextmanager
def due_objects(
    catalog: Catalog, source_id: str, members: Members, sample: Sample
) -> Iterator[DueObjects]:
    """Put members in the order of their last audit, those that have none first.

    Args:
        catalog: Where the audits are.
        source_id: Whose.
        members: The objects that were chosen.
        sample: Which of them.

    Raises:
        StorageError: The catalog cannot be read.
    """
    with TemporaryDirectory(prefix="s3pipelines-audit-") as folder:
        path = Path(folder, "due.parquet")
        with connect(catalog) as connection:
            create_source_views(connection, catalog, source_id, AUDITS)
            _sort(connection, members, sample, path)
            objects, size_bytes = connection.execute(
                "SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT "
                f"FROM read_parquet({sql_text(str(path))})"
            ).fetchall()[0]
        yield DueObjects(path, members.prefix, objects, size_bytes)


def _sort(
    connection: duckdb.DuckDBPyConnection, members: Members, sample: Sample, path: Path
) -> None:
    connection.execute(
        f"""
        COPY (
            SELECT members.key, members.size_bytes, members.etag, members.version_id,
                audits.known_sha256
            FROM read_parquet({sql_text(str(members.path))}) AS members
            LEFT JOIN audits ON audits.key = members.key AND audits.etag = members.etag
            WHERE {sample.condition("members.key")}
            ORDER BY audits.audited_at NULLS FIRST, members.key
        ) TO {sql_text(str(path))} (FORMAT parquet)
        """
    )
