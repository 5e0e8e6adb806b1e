"""Which tags the objects of a source have, as far as the table `tags` knows."""

from dataclasses import dataclass

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS, TAGS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.tags.due import ALL_READ


@dataclass(frozen=True)
class TagCount:
    """One name and value, and how many objects have it."""

    name: str
    value: str
    objects: int


@dataclass(frozen=True)
class TagList:
    """All of them.

    Attributes:
        tags: By name and value.
        objects: How many objects the index has.
        read: Of how many of these the tags were read from S3.
    """

    tags: tuple[TagCount, ...]
    objects: int
    read: int


def list_tags(catalog: Catalog, source_id: str, name: str | None = None) -> TagList:
    """Count the tags of the objects as they are now.

    Args:
        catalog: Where the tables are.
        source_id: A registered source.
        name: Only the tag of this name.

    Raises:
        NotFound: There is no such source.
        StorageError: The catalog cannot be read.
    """
    source = get_source(catalog, source_id)
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source.id, OBJECTS, TAGS)
        rows = connection.execute(
            "SELECT name, value, count(*) FROM tags SEMI JOIN objects USING (key, etag) "
            "WHERE $name IS NULL OR name = $name GROUP BY ALL ORDER BY ALL",
            {"name": name},
        ).fetchall()
        objects, read = connection.execute(
            "SELECT count(*), count(*) FILTER (marks.key IS NOT NULL) FROM objects LEFT JOIN "
            "(SELECT DISTINCT key, etag FROM tags_attempts WHERE name = $mark) AS marks "
            "ON marks.key = objects.key AND marks.etag = objects.etag",
            {"mark": ALL_READ},
        ).fetchall()[0]
    return TagList(tuple(TagCount(*row) for row in rows), objects, read)
