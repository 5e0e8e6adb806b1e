"""Whether the images of all sources can be read, and whether each has what its source asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import DERIVATIVES, IMAGES, OBJECTS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.imaging.failures import failure_condition
from s3pipelines.core.imaging.missing import count_missing
from s3pipelines.core.imaging.thumbnails import ThumbnailParams
from s3pipelines.core.imaging.wishes import Kind, kinds_of, work_on
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text


@dataclass(frozen=True)
class Unreadable:
    """Images of a source that cannot be read, for one reason."""

    source_id: str
    reason: str
    images: int
    example: str
    detail: str


def unreadable(catalog: Catalog, sources: Sequence[Source]) -> list[Unreadable]:
    """The images that cannot be read as they are now, by source and reason, the most first.

    Archived objects are not among them, nor objects that are no images and do not look like any.
    A source that cannot be asked is one row, too.
    """
    found: list[Unreadable] = []
    for source in sources:
        try:
            found += _unreadable(catalog, source.id)
        except S3PipelinesError as error:
            found.append(Unreadable(source.id, "not_asked", 0, "", str(error)))
    return found


def lacking(
    catalog: Catalog, sources: Sequence[Source], kind: Kind, reader_version: str
) -> dict[str, str]:
    """Sources that ask for this kind of work and have objects without it, and how many."""
    found: dict[str, str] = {}
    for source in sources:
        if kind not in kinds_of(source):
            continue
        try:
            work = work_on(source, kind, patient=True)
            if objects := count_missing(catalog, work, reader_version):
                found[source.id] = f"{counted(objects, 'object')} to go"
        except S3PipelinesError as error:
            found[source.id] = str(error)
    return found


def _unreadable(catalog: Catalog, source_id: str) -> list[Unreadable]:
    """By the header where that failed, else by the thumbnail: half a file has a good header."""
    digest = sql_text(ThumbnailParams().digest)
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source_id, OBJECTS, IMAGES, DERIVATIVES)
        rows = connection.execute(
            f"""
            WITH failed AS (
                SELECT key, error, error_detail, extension, 0 AS place
                FROM objects JOIN images USING (source, key, etag) WHERE {failure_condition()}
                UNION ALL
                SELECT key, error, error_detail, extension, 1
                FROM objects JOIN derivatives USING (source, key, etag)
                WHERE kind = 'thumbnail' AND params_digest = {digest} AND {failure_condition()}
                UNION ALL
                -- Of the parameters that were tried last.
                SELECT key, arg_max(error, made_at), arg_max(error_detail, made_at),
                    any_value(extension), 2
                FROM objects JOIN derivatives USING (source, key, etag) WHERE kind = 'pyramid'
                GROUP BY key HAVING arg_max(if({failure_condition()}, 1, 0), made_at) = 1
            ), one_each AS (
                SELECT key, arg_min(error, place) AS error, arg_min(error_detail, place) AS detail
                FROM failed GROUP BY key
            )
            SELECT error, count(*) AS images, min(key), arg_min(detail, key)
            FROM one_each GROUP BY error ORDER BY images DESC, error
            """
        ).fetchall()
    return [Unreadable(source_id, *row) for row in rows]
