"""A catalog of many images that were all worked on, as runs of the project leave it behind."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import write_deltalake

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import DERIVATIVES, IMAGES, OBJECTS
from s3pipelines.core.catalog.tables import (
    NO_CLEANUP,
    TARGET_FILE_BYTES,
    WRITER,
    ensure_table,
    open_table,
)
from s3pipelines.core.imaging.thumbnails import ThumbnailParams
from s3pipelines.core.sources.entries import read_entry, write_entry
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.locations import parse_location

SOURCE = "plates"
READER_VERSION = "libvips 8.18.7, Pillow 13.0.0"
# As `work.run` commits.
_COMMIT_ROWS = 5000
_FIRST_SEEN = datetime(2026, 1, 1, tzinfo=UTC)
# Objects that came together, as far as the index knows.
_ARRIVALS = 5000
_FAILURES = (
    ("truncated", "VipsJpeg: premature end of JPEG image"),
    ("corrupt", "tiff2vips: decompress error at strip 3"),
    ("unsupported", "OpenEXR: libvips with OpenEXR would read it."),
    ("too_large", "It has 31,000 x 40,000 pixels, the limit is 1,000,000,000."),
)


def fill_catalog(catalog: str, objects: str, layout: str) -> dict[str, Any]:
    """Make the source, its index, and a row in `images` and `derivatives` for each object.

    Args:
        catalog: A folder that is not there yet.
        objects: How many.
        layout: `by key`: all were indexed at once, so each commit holds a range of keys. `by
            arrival`: they came over months under keys that begin with a digest, so each commit
            has keys from everywhere.

    Returns:
        How many commits each of the two tables got, and how long it all took.
    """
    home = Catalog(parse_location(catalog))
    _register(home)
    started = time.perf_counter()
    made = _objects(int(objects), layout)
    _write_objects(home, made)
    newest_first = "SELECT key, etag, number, size_bytes FROM made ORDER BY indexed_at DESC, key"
    reader = made.execute(newest_first).to_arrow_reader(_COMMIT_ROWS)
    for schema in (IMAGES, DERIVATIVES):
        ensure_table(home, schema)
    commits, at = 0, _FIRST_SEEN + timedelta(days=300)
    held = pa.Table.from_batches(reader).combine_chunks()
    for first in range(0, held.num_rows, _COMMIT_ROWS):
        rows = held.slice(first, _COMMIT_ROWS).to_pylist()
        at += timedelta(seconds=20)
        append_rows(home, IMAGES, [_header(row, at) for row in rows])
        append_rows(home, DERIVATIVES, [_thumbnail(row, at) for row in rows])
        commits += 1
    return {"commits": commits, "fill_s": time.perf_counter() - started}


def add_objects(catalog: str, objects: str) -> dict[str, Any]:
    """Let so many objects arrive that nothing was made of yet."""
    home = Catalog(parse_location(catalog))
    made = _objects(int(objects), "by key")
    _write_objects(home, made, "replace(key, 'IMG_', 'NEW_')")
    return {}


def _register(home: Catalog) -> None:
    """Not by `create_source`, which would ask S3 for the bucket."""
    source = Source(id=SOURCE, bucket="museum", prefix="", derive=("headers", "thumbnails"))
    write_entry(home.documents, SOURCE, source, read_entry(home.documents, SOURCE).tag)


def _objects(objects: int, layout: str) -> duckdb.DuckDBPyConnection:
    """A connection whose table `made` has the rows of `objects`, and the number of each."""
    connection = duckdb.connect(config={"memory_limit": "2GB"})
    connection.execute("SET TimeZone = 'UTC'")
    since = f"TIMESTAMPTZ '{_FIRST_SEEN.isoformat()}'"
    arrived = f"number // {_ARRIVALS}" if layout == "by arrival" else "0"
    connection.execute(
        f"""
        CREATE TABLE made AS SELECT number, '{SOURCE}' AS source, 'museum' AS bucket,
            substr(digest, 1, 2) || '/' || substr(digest, 3, 6) || '/IMG_'
                || lpad(number::VARCHAR, 8, '0') || '.jpg' AS key,
            300000 + number * 7919 % 4000000 AS size_bytes, md5(digest) AS etag,
            NULL::VARCHAR AS version_id, {since} + to_minutes({arrived}) AS last_modified,
            'STANDARD' AS storage_class, 'jpg' AS extension,
            {since} + to_minutes({arrived}) AS indexed_at
        FROM (SELECT range AS number, md5(range::VARCHAR) AS digest FROM range({objects}))
        """
    )
    return connection


def _write_objects(home: Catalog, made: duckdb.DuckDBPyConnection, key: str = "key") -> None:
    ensure_table(home, OBJECTS)
    columns = ", ".join(f"{key} AS key" if n == "key" else n for n in OBJECTS.column_names)
    query = f"SELECT {columns} FROM made ORDER BY key"
    write_deltalake(
        open_table(home, OBJECTS),
        made.execute(query).to_arrow_reader(4096),
        mode="append",
        target_file_size=TARGET_FILE_BYTES,
        writer_properties=WRITER,
        post_commithook_properties=NO_CLEANUP,
    )


def _header(row: dict[str, Any], at: datetime) -> dict[str, Any]:
    number = row["number"]
    made: dict[str, Any] = dict.fromkeys(IMAGES.column_names)
    made |= _identity(row) | {"read_at": at + timedelta(microseconds=number % 10_000_000)}
    if made["error"] is None:
        tags = f'{{"DateTimeOriginal":"2026:03:{number % 28 + 1:02d} 10:{number % 60:02d}:00"}}'
        made |= {
            "format": "jpeg" if number % 5 else "tiff",
            "width_px": 1600 + number % 4000,
            "height_px": 1200 + number % 3000,
            "bands": 3,
            "bit_depth": 8,
            "interpretation": "srgb",
            "pages": 1,
            "orientation": 6 if number % 10 == 3 else 1,
            "has_icc": number % 3 == 0,
            "has_xmp": False,
            "exif": tags,
        }
    return made


def _thumbnail(row: dict[str, Any], at: datetime) -> dict[str, Any]:
    number = row["number"]
    made: dict[str, Any] = dict.fromkeys(DERIVATIVES.column_names)
    made |= _identity(row) | {
        "kind": "thumbnail",
        "params_digest": ThumbnailParams().digest,
        "duration_s": 0.03 + number % 100 / 1000,
        "made_at": at + timedelta(microseconds=number % 10_000_000),
    }
    if made["error"] is not None:
        return made | {"status": "quarantined"}
    digest = f"{row['etag']}{row['etag'][::-1]}"
    uri = f"s3://museum-made/derivatives/{SOURCE}/thumbnails/{digest[:2]}/{digest}.webp"
    sizes = {"size_bytes": 20_000 + number % 15_000, "width_px": 400, "height_px": 300}
    return made | sizes | {"uri": uri, "sha256": digest[::-1], "status": "ok"}


def _identity(row: dict[str, Any]) -> dict[str, Any]:
    """What both tables have of an object; one in a hundred failed."""
    number = row["number"]
    failure = _FAILURES[number // 100 % len(_FAILURES)] if number % 100 == 7 else (None, None)
    return {
        "source": SOURCE,
        "key": row["key"],
        "etag": row["etag"],
        "error": failure[0],
        "error_detail": failure[1],
        "reader_version": READER_VERSION,
    }
