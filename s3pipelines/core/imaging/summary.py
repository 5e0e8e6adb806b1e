"""What is known of the images of a source, in a few numbers."""

from dataclasses import dataclass

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import IMAGES, OBJECTS
from s3pipelines.core.catalog.views import create_source_views


@dataclass(frozen=True)
class FormatGroup:
    """The images of one format: how many, and the largest width and height among them."""

    format: str
    images: int
    widest_px: int
    highest_px: int
    megapixels: float


def by_format(catalog: Catalog, source_id: str) -> list[FormatGroup]:
    """The images of a source that the index has now, by format, the most first."""
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source_id, OBJECTS, IMAGES)
        rows = connection.execute(
            """
            SELECT format, count(*) AS images, max(width_px), max(height_px),
                round(sum(width_px::DOUBLE * height_px) / 1e6, 1)
            FROM objects JOIN images USING (source, key, etag)
            WHERE error IS NULL GROUP BY format ORDER BY images DESC, format
            """
        ).fetchall()
    return [FormatGroup(*row) for row in rows]
