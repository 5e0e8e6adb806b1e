"""Derivatives whose object is gone: they show what somebody may have deleted for good reasons.

Thumbnails and pyramids only: what was converted lies where its users wanted it, and is theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import DERIVATIVES, OBJECTS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.imaging.outcomes import REMOVED
from s3pipelines.core.imaging.wishes import Kind
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text

# What can be removed of a deleted object; of a header there is only a row.
FILE_KINDS: tuple[Kind, ...] = ("thumbnail", "pyramid")


@dataclass(frozen=True)
class Orphans:
    """Files of a source that no object of its index stands behind any more.

    Attributes:
        files: How many there are.
        size_bytes: Their size together.
        example: The address of one.
    """

    files: int
    size_bytes: int
    example: str

    def __str__(self) -> str:
        return f"{self.files:,} files, {self.size_bytes / 1e6:,.1f} MB, such as {self.example}"


@dataclass(frozen=True)
class OrphanRow:
    """A row of such a file; several rows may share a file."""

    key: str
    etag: str
    kind: str
    params_digest: str
    uri: str
    size_bytes: int


def orphans(catalog: Catalog, sources: Sequence[Source], kind: Kind) -> dict[str, str]:
    """Sources with files of this kind whose object was deleted, and how many."""
    found: dict[str, str] = {}
    for source in sources:
        try:
            one = orphans_of(catalog, source.id, kind)
        except S3PipelinesError as error:
            found[source.id] = str(error)
            continue
        if one.files:
            found[source.id] = str(one)
    return found


def orphans_of(catalog: Catalog, source_id: str, kind: Kind) -> Orphans:
    """The files of this kind whose object was deleted, unless another one has the same file now.

    Raises:
        StorageError: The catalog cannot be read.
    """
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source_id, OBJECTS, DERIVATIVES)
        (row,) = connection.execute(
            f"""
            WITH files AS (
                SELECT uri, any_value(size_bytes) AS size_bytes
                FROM ({_rows((kind,))}) GROUP BY uri
            )
            SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT, coalesce(min(uri), '')
            FROM files
            """
        ).fetchall()
    return Orphans(*row)


def orphan_rows(
    connection: duckdb.DuckDBPyConnection, kinds: Sequence[Kind], after: str, most_files: int
) -> list[OrphanRow]:
    """The rows of the next files, by address.

    Args:
        connection: With the views `objects` and `derivatives` of a source.
        kinds: Of which kinds.
        after: Only files whose address comes after this.
        most_files: Of no more files than that.
    """
    found = connection.execute(
        f"""
        SELECT key, etag, kind, params_digest, uri, size_bytes FROM ({_rows(kinds)})
        WHERE uri > {sql_text(after)}
        QUALIFY dense_rank() OVER (ORDER BY uri) <= {int(most_files)}
        ORDER BY uri, key
        """
    ).fetchall()
    return [OrphanRow(*row) for row in found]


def _rows(kinds: Sequence[Kind]) -> str:
    """Rows with a file that no row of a present object has; removed ones keep theirs until done."""
    listed = ", ".join(sql_text(kind) for kind in kinds)
    return f"""
        SELECT * FROM derivatives
        WHERE kind IN ({listed}) AND uri IS NOT NULL
            AND (error IS NULL OR error = {sql_text(REMOVED)})
            AND uri NOT IN (
                SELECT uri FROM derivatives
                WHERE uri IS NOT NULL AND error IS NULL AND key IN (SELECT key FROM objects)
            )
    """
