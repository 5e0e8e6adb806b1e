"""An index of several states, written the ways that the project writes it."""

import time
from datetime import UTC, datetime
from typing import Any

from deltalake import write_deltalake

from s3pipelines.core.catalog.appending import append_rows, in_batches
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.index_files import IndexFiles
from s3pipelines.core.catalog.schemas import OBJECTS, OBJECTS_TAIL
from s3pipelines.core.catalog.tables import (
    compact,
    ensure_table,
    forget_source,
    open_table,
    source_predicate,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class States:
    """Writes states of sources, each at a time of its own; rows are ETags by key."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._position = 0
        ensure_table(catalog, OBJECTS)

    def replace(self, source: str = "maps", /, **etags: str) -> datetime:
        """Write the rows of a source anew."""
        table = open_table(self.catalog, OBJECTS)
        write_deltalake(
            table,
            in_batches(OBJECTS, _rows(source, etags)),
            mode="overwrite",
            predicate=source_predicate(source),
        )
        return self.pause()

    def append(self, source: str = "maps", /, **etags: str) -> datetime:
        """Add rows in a file of their own."""
        append_rows(self.catalog, OBJECTS, _rows(source, etags))
        return self.pause()

    def tail(self, source: str = "maps", /, *, gone: bool = False, **etags: str) -> datetime:
        """Append to the tail."""
        ensure_table(self.catalog, OBJECTS_TAIL)
        self._position += 1
        more = {"gone": gone, "position": self._position}
        append_rows(self.catalog, OBJECTS_TAIL, [r | more for r in _rows(source, etags)])
        return self.pause()

    def clear_tail(self, source: str = "maps") -> datetime:
        """Remove what was merged."""
        forget_source(self.catalog, OBJECTS_TAIL, source)
        return self.pause()

    def compact(self, source: str = "maps") -> datetime:
        """Put the files together."""
        compact(open_table(self.catalog, OBJECTS), source)
        return self.pause()

    @staticmethod
    def pause() -> datetime:
        """A moment between what was written and what will be; commits have milliseconds."""
        time.sleep(0.003)
        now = datetime.now(UTC)
        time.sleep(0.003)
        return now

    @property
    def version(self) -> int:
        """The version of `objects`."""
        return open_table(self.catalog, OBJECTS).version()


def etags_of(catalog: Catalog, index: IndexFiles) -> dict[str, str]:
    """The rows of a state."""
    with connect(catalog) as connection:
        return dict(connection.execute(f"SELECT key, etag FROM ({index.rows()})").fetchall())


def _rows(source: str, etags: dict[str, str]) -> list[dict[str, Any]]:
    common = {
        "source": source,
        "bucket": "b",
        "size_bytes": 3,
        "last_modified": NOON,
        "storage_class": "STANDARD",
        "extension": "",
        "indexed_at": NOON,
    }
    return [common | {"key": key, "etag": etag} for key, etag in etags.items()]
