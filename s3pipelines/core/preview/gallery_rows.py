"""The two queries behind a page of the gallery: which keys, and everything about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from s3pipelines.core.catalog.key_ranges import KeyFile, KeyRange, overlapping, successor
from s3pipelines.core.catalog.schemas import (
    DERIVATIVES,
    IMAGES,
    OBJECTS,
    OBJECTS_TAIL,
    TableSchema,
)
from s3pipelines.core.catalog.views import with_tail
from s3pipelines.core.imaging.failures import failure_condition
from s3pipelines.core.imaging.thumbnails import ThumbnailParams
from s3pipelines.core.preview.items import Show
from s3pipelines.core.sql.quoting import sql_text

_FAILED = failure_condition("lower(regexp_extract(key, '\\.([^./]+)$', 1))")

# The digests of later pages of a document end in their number.
_PYRAMIDS = "kind = 'pyramid' AND error IS NULL AND NOT contains(params_digest, '/')"


@dataclass(frozen=True)
class Tables:
    """The files of one source in each table, all as they were at one moment."""

    objects: list[KeyFile]
    tail: list[KeyFile]
    images: list[KeyFile]
    derivatives: list[KeyFile]

    def leading(self, show: Show) -> list[KeyFile]:
        """The files that tell which keys come next."""
        if show == "all":
            return self.objects + self.tail
        return self.derivatives + self.images if show == "failed" else self.derivatives


def candidates(
    cursor: duckdb.DuckDBPyConnection,
    tables: Tables,
    show: Show,
    params: ThumbnailParams,
    keys: KeyRange,
    most: int,
    backward: bool,
) -> list[str]:
    """The first (or last) keys of a range that may be shown; one can come several times.

    What was true of an object once need not be true of it now: `rows_of` tells.
    """
    condition, values = _within(keys)
    objects = _objects(cursor, tables, keys)
    made = _scan(cursor, DERIVATIVES, tables.derivatives, keys)
    headers = _scan(cursor, IMAGES, tables.images, keys)
    ours = f"{condition} AND {_thumbnails(params)}"
    query = {
        "all": f"SELECT key FROM {objects} WHERE {condition}",
        "images": f"SELECT key FROM {made} WHERE {ours} AND error IS NULL",
        "pyramids": f"SELECT key FROM {made} WHERE {condition} AND {_PYRAMIDS}",
        "failed": f"SELECT key FROM {made} WHERE {ours} AND {_FAILED} "
        f"UNION ALL SELECT key FROM {headers} WHERE {condition} AND {_FAILED}",
    }[show]
    order = "DESC" if backward else "ASC"
    found = cursor.execute(f"{query} ORDER BY key {order} LIMIT {int(most)}", values)
    return [key for (key,) in found.fetchall()]


def rows_of(
    cursor: duckdb.DuckDBPyConnection, tables: Tables, params: ThumbnailParams, keys: Sequence[str]
) -> list[dict[str, Any]]:
    """What the index has of these keys, with what was made last of that same state.

    Returns:
        One row per object, by key; `header` and `thumbnail` are None where nothing was tried, and
        `pyramid` where there is none; of a document, it is that of the first page.
    """
    if not keys:
        return []
    first, last = min(keys), max(keys)
    within = KeyRange(first, successor(last))
    ours = "key >= $first AND key <= $last AND key IN (SELECT unnest($keys))"
    # In a struct, as arg_max leaves out rows whose value is NULL.
    query = f"""
        WITH headers AS (
            SELECT key, etag, arg_max(struct_pack(
                format, width_px, height_px, orientation, error, error_detail
            ), read_at) AS header
            FROM {_scan(cursor, IMAGES, tables.images, within)} WHERE {ours} GROUP BY key, etag
        ), thumbnails AS (
            SELECT key, etag, arg_max(struct_pack(error, error_detail), made_at) AS thumbnail
            FROM {_scan(cursor, DERIVATIVES, tables.derivatives, within)}
            WHERE {ours} AND {_thumbnails(params)} GROUP BY key, etag
        ), pyramids AS (
            SELECT key, etag, arg_max(struct_pack(
                uri, size_bytes, width_px, height_px, sha256
            ), made_at) AS pyramid
            FROM {_scan(cursor, DERIVATIVES, tables.derivatives, within)}
            WHERE {ours} AND {_PYRAMIDS} GROUP BY key, etag
        )
        SELECT key, etag, size_bytes, last_modified, storage_class, extension,
            header, thumbnail, pyramid
        FROM {_objects(cursor, tables, within)}
        LEFT JOIN headers USING (key, etag) LEFT JOIN thumbnails USING (key, etag)
        LEFT JOIN pyramids USING (key, etag)
        WHERE {ours} ORDER BY key
    """
    values = {"first": first, "last": last, "keys": list(keys)}
    return cursor.execute(query, values).to_arrow_table().to_pylist()


def count_objects(cursor: duckdb.DuckDBPyConnection, tables: Tables) -> int:
    """How many objects the index has; without a tail, Delta's log tells."""
    if not tables.tail:
        return sum(file.rows for file in tables.objects)
    query = f"SELECT count(*) FROM {_objects(cursor, tables, KeyRange())}"
    return cursor.execute(query).fetchall()[0][0]


def _objects(cursor: duckdb.DuckDBPyConnection, tables: Tables, keys: KeyRange) -> str:
    base = _scan(cursor, OBJECTS, tables.objects, keys)
    if not overlapping(tables.tail, keys):
        return base
    tail = _scan(cursor, OBJECTS_TAIL, tables.tail, keys)
    return f"({with_tail(_of_one_source(OBJECTS, base), _of_one_source(OBJECTS_TAIL, tail))})"


def _of_one_source(schema: TableSchema, scan: str) -> str:
    """The column that the tables are partitioned by is in no file."""
    stored = ", ".join(name for name in schema.column_names if name != "source")
    return f"(SELECT '' AS source, {stored} FROM {scan})"


def _within(keys: KeyRange) -> tuple[str, dict[str, str]]:
    # Bound rather than written out: a key may hold a NUL, which would end a statement.
    if keys.end is None:
        return "key >= $start", {"start": keys.start}
    return "key >= $start AND key < $end", {"start": keys.start, "end": keys.end}


def _thumbnails(params: ThumbnailParams) -> str:
    return f"kind = 'thumbnail' AND params_digest = {sql_text(params.digest)}"


def _scan(
    cursor: duckdb.DuckDBPyConnection,
    schema: TableSchema,
    files: Sequence[KeyFile],
    keys: KeyRange,
) -> str:
    """A relation with the rows of the files that may hold keys of the range."""
    uris = overlapping(files, keys)
    if not uris:
        name = f"no_{schema.name}"
        cursor.register(name, schema.arrow.empty_table())
        return name
    listed = ", ".join(sql_text(uri) for uri in uris)
    return f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true)"
