"""Derivatives whose object is gone: they show what somebody may have deleted for good reasons."""

from collections.abc import Sequence
from dataclasses import dataclass

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect, sql_text
from s3pipelines.core.catalog.schemas import DERIVATIVES, OBJECTS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.imaging.wishes import Kind
from s3pipelines.core.sources.source import Source


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
                SELECT uri, arg_max(size_bytes, made_at) AS size_bytes,
                    bool_or(key IN (SELECT key FROM objects)) AS needed
                FROM derivatives
                WHERE kind = {sql_text(kind)} AND error IS NULL AND uri IS NOT NULL GROUP BY uri
            )
            SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT, coalesce(min(uri), '')
            FROM files WHERE NOT needed
            """
        ).fetchall()
    return Orphans(*row)
