"""Bringing an index up to date with a listing that is on disk, in a way that is chosen."""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.index.commit import Written, commit
from s3pipelines.core.index.comparison import Comparison
from s3pipelines.core.index.snapshot import Snapshot
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.locations import parse_location

_SOURCE = Source(id="maps", bucket="synthetic", prefix="")
# Skewed like real collections: a few large folders, three styles of names, random ETags.
LISTING = """
    WITH numbers AS (
        SELECT range AS i, hash(range) AS r, hash(range + 1000000007) AS s FROM range($objects)
    ), named AS (
        SELECT *, 1996 + s % 29 AS year, ['aerial', 'botany', 'insects', 'maps', 'theses'][
            1 + floor(5 * power(s % 1000003 / 1000003, 3))::INT] AS folder
        FROM numbers
    )
    SELECT
        CASE r % 3
            WHEN 0 THEN printf('collections/%s/%d/%02d/%02d/cam-%d/IMG_%07d.jpg',
                folder, year, 1 + s // 31 % 12, 1 + s // 977 % 28, s % 5, i)
            WHEN 1 THEN printf('collections/%s/%d/box-%03d/item-%05d/%07d.tif',
                folder, year, s // 31 % 300, s // 977 % 20000, i)
            ELSE printf('derivatives/thumbs/%s/%d-%d.webp', folder, r, i)
        END AS key,
        (512 + r % 150000000)::BIGINT AS size_bytes,
        md5(i::VARCHAR) AS etag,
        TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_seconds(s % 157680000) AS last_modified,
        CASE WHEN r % 20 = 0 THEN 'GLACIER' WHEN r % 20 < 4 THEN 'STANDARD_IA'
            ELSE 'STANDARD' END AS storage_class,
        true AS settled
    FROM named ORDER BY key
"""
_PARQUET = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 65536)"


def make_base(folder: str, objects: str) -> dict[str, Any]:
    """A listing of that many objects, and an index that agrees with it, in `folder`."""
    listing = LISTING.replace("$objects", str(int(objects)))
    with tempfile.TemporaryDirectory() as spill:
        connection = duckdb.connect(config={"memory_limit": "4GB", "temp_directory": spill})
        connection.execute("SET TimeZone = 'UTC'")
        path = sql_text(str(_listing(folder)))
        connection.execute(f"COPY ({listing}) TO {path} {_PARQUET}")
        connection.close()
    return bring_up_to_date(folder, str(Path(folder, "catalog")), "replacement")


def bring_up_to_date(folder: str, catalog: str, way: str) -> dict[str, Any]:
    """Compare the listing in `folder` with the index in `catalog`, and write the difference."""
    home = Catalog(parse_location(catalog))
    ensure_table(home, OBJECTS)
    return _bring(home, _listing(folder), way)


def unsettle_layout(catalog: str, source_id: str, merges: str, changes: str) -> dict[str, Any]:
    """Merge scattered changes into the index again and again, and in the end all of them back."""
    home = Catalog(parse_location(catalog))
    source = _SOURCE.model_copy(update={"id": source_id})
    with tempfile.TemporaryDirectory() as folder:
        original = Path(folder, "0.parquet")
        with connect(home) as connection:
            indexed = Snapshot.open(home, source_id).rows
            kept = "key, size_bytes, last_modified, storage_class, true AS settled"
            for number in range(int(merges)):
                one_in = f"((SELECT count(*) FROM ({indexed})) // {int(changes)})"
                other = f"{number} > 0 AND hash(key, {number}) % {one_in} = 0"
                query = f"SELECT {kept}, if({other}, md5(key), etag) AS etag FROM ({indexed})"
                path = sql_text(str(original.with_stem(str(number))))
                connection.execute(f"COPY ({query} ORDER BY key) TO {path} {_PARQUET}")
        for number in reversed(range(int(merges))):
            _bring(home, original.with_stem(str(number)), "merge", source)
    return {}


def _bring(home: Catalog, listing: Path, way: str, source: Source = _SOURCE) -> dict[str, Any]:
    snapshot = Snapshot.open(home, source.id)
    started = time.perf_counter()
    with connect(home) as connection:
        comparison = Comparison(
            connection,
            source,
            datetime.now(UTC),
            listed=f"FROM read_parquet({sql_text(str(listing))})",
            indexed=snapshot.rows,
        )
        changed = sum(comparison.counts().values())
        compared, compared_cpu = time.perf_counter(), time.process_time()
        commit(cast("Written", way), snapshot, comparison, [])
        ended, ended_cpu = time.perf_counter(), time.process_time()
    return {
        "changed": changed,
        "compare_s": compared - started,
        "commit_s": ended - compared,
        "commit_cpu_s": ended_cpu - compared_cpu,
    }


def _listing(folder: str) -> Path:
    return Path(folder, "listed.parquet")
