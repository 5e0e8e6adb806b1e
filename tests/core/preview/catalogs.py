"""Rows of the three tables that a gallery reads, without looking at any image."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import (
    DERIVATIVES,
    IMAGES,
    OBJECTS,
    OBJECTS_TAIL,
    TableSchema,
)
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.imaging.thumbnails import ThumbnailParams
from s3pipelines.core.sources.registry import create_source

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SOURCE = "pictures"


class Filling:
    """Fills a catalog with rows of the source `pictures`, which lies below `in/` of a bucket.

    Each call is one commit; what is said later is later.
    """

    def __init__(self, catalog: Catalog, bucket: str) -> None:
        self.catalog = catalog
        self._at = NOON
        self._position = 0
        create_source(catalog, SOURCE, f"s3://{bucket}/in")

    def objects(self, *names: str, **columns: Any) -> None:
        """Objects in the index; `etag` is `e1` by default."""
        self.different_objects(dict.fromkeys(names, columns))

    def different_objects(self, columns_by_name: Mapping[str, dict[str, Any]]) -> None:
        """Objects in the index, each with columns of its own."""
        common = {
            "bucket": "b",
            "size_bytes": 1234,
            "etag": "e1",
            "last_modified": NOON,
            "storage_class": "STANDARD",
            "indexed_at": NOON,
        }
        rows = [
            {"extension": name.rpartition(".")[2].lower()} | common | columns
            for name, columns in columns_by_name.items()
        ]
        self._append(OBJECTS, tuple(columns_by_name), rows)

    def tail(self, *names: str, gone: bool = False, **columns: Any) -> None:
        """Objects that the tail says otherwise about, or that it says are gone."""
        self._position += 1
        common = {
            "bucket": "b",
            "size_bytes": 1234,
            "etag": "e1",
            "last_modified": NOON,
            "storage_class": "STANDARD",
            "indexed_at": NOON,
            "extension": "",
            "gone": gone,
            "position": self._position,
        }
        self._append(OBJECTS_TAIL, names, [common | columns for _ in names])

    def headers(self, *names: str, **columns: Any) -> None:
        """Headers that were read, of 4000 x 3000 px by default."""
        read = {"etag": "e1", "format": "jpeg", "width_px": 4000, "height_px": 3000}
        common = dict.fromkeys(IMAGES.column_names) | read | {"orientation": 1}
        common |= {"read_at": self._later(), "reader_version": "v"}
        self._append(IMAGES, names, [common | columns for _ in names])

    def thumbnails(self, *names: str, error: str | None = None, **columns: Any) -> None:
        """Thumbnails that were made, or, with `error`, that failed."""
        common = dict.fromkeys(DERIVATIVES.column_names) | {
            "etag": "e1",
            "kind": "thumbnail",
            "params_digest": ThumbnailParams().digest,
            "status": "quarantined" if error else "ok",
            "error": error,
            "error_detail": f"It is {error}." if error else None,
            "duration_s": 0.1,
            "made_at": self._later(),
            "reader_version": "v",
        }
        self._append(DERIVATIVES, names, [common | columns for _ in names])

    def pyramids(self, *names: str, error: str | None = None, **columns: Any) -> None:
        """Pyramids that were made, or, with `error`, that failed."""
        made = {"uri": "s3://b/p.tif", "size_bytes": 9, "width_px": 4000, "height_px": 3000}
        made |= {"sha256": "0" * 64, "params_digest": "1" * 16}
        common = dict.fromkeys(made) | {"params_digest": "1" * 16} if error else made
        self.thumbnails(*names, error=error, **{"kind": "pyramid", **common, **columns})

    def _append(self, schema: TableSchema, names: Any, rows: list[dict[str, Any]]) -> None:
        ensure_table(self.catalog, schema)
        given = zip(names, rows, strict=True)
        identified = [row | {"source": SOURCE, "key": f"in/{name}"} for name, row in given]
        append_rows(self.catalog, schema, identified)

    def _later(self) -> datetime:
        self._at += timedelta(minutes=1)
        return self._at
