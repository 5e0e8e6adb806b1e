"""Listing a bucket, to files that are sorted by key or to nowhere."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from s3pipelines.core.index.journal import Begun, Journal
from s3pipelines.core.index.spool import spool_listing
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.listing.ranges import KnownKeys

_ROWS_PER_KEY = 500


def list_sorted(bucket: str, folder: str, known: str = "") -> dict[str, Any]:
    """List a bucket into Parquet files, each sorted, in the order of their keys.

    Args:
        bucket: Its name.
        folder: Where to.
        known: A file that `spoil_keys` wrote.
    """
    source = Source(
        id="maps",
        bucket=bucket,
        prefix="",
        generation="g",
        created_at=datetime.now(UTC),
        history=(),
    )
    journal = Journal.start(Path(folder), Begun(datetime.now(UTC), 0, 0))
    keys = KnownKeys(json.loads(Path(known).read_text()), _ROWS_PER_KEY) if known else KnownKeys()
    spool = spool_listing(source, Access(), journal, keys)
    return {"rows": spool.rows, "requests": spool.requests, "files": len(spool.paths)}


def spoil_keys(folder: str, target: str) -> dict[str, Any]:
    """Keep a sample of the keys of a listing as an index has it a tenth of whose keys changed."""
    chance = random.Random(1)
    sample: list[str] = []
    for path in sorted(Path(folder).glob("*.parquet")):
        keys = pq.read_table(path, columns=["key"]).column(0).to_pylist()
        picked = [key for key in keys if chance.random() < 1 / _ROWS_PER_KEY]
        sample += [key + "-old" if chance.random() < 0.1 else key for key in picked]
    Path(target).write_text(json.dumps(sorted(sample)))
    return {"keys": len(sample)}


def list_with_obstore(bucket: str) -> dict[str, Any]:
    """Obstore's listing, page by page; it has no storage classes."""
    from obstore.store import S3Store

    store = S3Store(bucket, client_options={"allow_http": True}, virtual_hosted_style_request=False)
    return {"rows": sum(batch.num_rows for batch in store.list(return_arrow=True, chunk_size=1000))}
