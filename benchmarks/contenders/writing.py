"""Several writers at once: refreshing, changing objects meanwhile, and verifying what came out."""

import random
import time
from pathlib import Path
from typing import Any

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.index.snapshot import Snapshot
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.core.storage.listing.serial import list_pages
from s3pipelines.core.storage.locations import parse_location


def refresh_repeatedly(catalog: str, source_id: str, times: str) -> dict[str, Any]:
    """Refresh that often; for each time the seconds, what was written, and the version."""
    home = Catalog(parse_location(catalog))
    done: list[dict[str, Any]] = []
    for _ in range(int(times)):
        started = time.perf_counter()
        refresh = refresh_index(home, source_id)
        done.append(
            {
                "wrote": refresh.wrote,
                "version": refresh.table_version,
                "rows": refresh.rows,
                "seconds": time.perf_counter() - started,
            }
        )
    return {"refreshes": done}


def fill(buckets: str, objects: str) -> dict[str, Any]:
    """Make the buckets, whose names stand between commas, and that many objects in each."""
    client = s3_client(Access())
    for bucket in buckets.split(","):
        client.create_bucket(Bucket=bucket)
        for number in range(int(objects)):
            client.put_object(Bucket=bucket, Key=f"in/{number % 5:03d}/{number:06d}.jpg", Body=b"1")
    return {}


def keep_changing(buckets: str, stop_file: str) -> dict[str, Any]:
    """Create, overwrite and delete objects of all buckets in turn until `stop_file` appears."""
    client = s3_client(Access())
    chance = random.Random(20261121)
    changes = 0
    while not Path(stop_file).exists():
        for bucket in buckets.split(","):
            key = f"in/{chance.randrange(5):03d}/changing-{chance.randrange(200):04d}.jpg"
            if chance.random() < 0.3:
                client.delete_object(Bucket=bucket, Key=key)
            else:
                client.put_object(Bucket=bucket, Key=key, Body=chance.randbytes(100))
            changes += 1
            time.sleep(0.02)
    return {"changes": changes}


def verify(catalog: str, source_id: str) -> dict[str, Any]:
    """Check each version of the table for doubled keys, and the last one against the bucket.

    Returns:
        The versions in which the source was written, with the rows that it had then.
    """
    home = Catalog(parse_location(catalog))
    source = get_source(home, source_id)
    latest = open_table(home, OBJECTS)
    rows_by_version: dict[int, int] = {}
    with connect(home) as connection:
        for commit in latest.history():
            if commit.get("s3pipelines.source") != source_id:
                continue
            table = open_table(home, OBJECTS, commit["version"])
            indexed = Snapshot(home, source_id, table, None).merged_rows
            query = f"SELECT count(*), count(DISTINCT key) FROM ({indexed})"
            rows, keys = connection.execute(query).fetchall()[0]
            if rows != keys:
                raise AssertionError(f"version {commit['version']}: {rows} rows, {keys} keys")
            rows_by_version[commit["version"]] = rows
        query = f"SELECT key, etag FROM ({Snapshot.open(home, source_id).rows})"
        found = set(connection.execute(query).fetchall())
    listed: set[tuple[str, str]] = set()
    for page in list_pages(source.access(home.access), source.location):
        keys, etags = (page.objects.column(name).to_pylist() for name in ("key", "etag"))
        listed.update(zip(keys, etags, strict=True))
    if found != listed:
        raise AssertionError(f"{len(found ^ listed)} rows differ from the bucket")
    return {"rows_by_version": rows_by_version}
