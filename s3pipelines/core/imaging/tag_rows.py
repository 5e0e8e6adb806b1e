"""The tags that were read of objects, for the table `tags`: by them, rules find their objects."""

from datetime import UTC, datetime
from typing import Any

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TAGS
from s3pipelines.core.imaging.caps import tags_of_rules
from s3pipelines.core.imaging.steps import Done
from s3pipelines.core.imaging.wishes import Work


class TagRows:
    """Rows of `tags` about the objects of a slice: those tags that were asked for."""

    def __init__(self, work: Work) -> None:
        self._names = tags_of_rules(work.pyramid) if work.kind == "pyramid" else frozenset[str]()
        self._rows: list[dict[str, Any]] = []

    def add(self, done: Done) -> None:
        """Take one object in."""
        if done.tags is None:
            return
        row = done.outcome
        now = datetime.now(UTC)
        self._rows += [
            {
                "source": row["source"],
                "key": row["key"],
                "etag": row["etag"],
                "name": name,
                "value": done.tags.get(name),
                "tagged_at": now,
            }
            for name in sorted(self._names)
        ]

    def commit(self, catalog: Catalog) -> None:
        """Write them.

        Raises:
            StorageError: The catalog cannot be written.
        """
        append_rows(catalog, TAGS, self._rows)
