"""What the index knows of where the keys of a source lie: hints for its next listing."""

import pyarrow as pa

from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.tables import table_errors
from s3pipelines.core.index.snapshot import Snapshot, merged_bytes
from s3pipelines.core.storage.listing.ranges import KnownKeys

# One key of so many objects: half a page.
_ROWS_PER_KEY = 500
# Reading the keys of a larger index would take longer than it saves; there, the first keys of its
# files tell enough.
_READ_UP_TO_BYTES = 256 * 1024 * 1024


def known_keys(snapshot: Snapshot) -> KnownKeys:
    """Keys that divide the source into parts of about the same size; none if it has no index.

    Raises:
        StorageError: The index cannot be read.
    """
    if not snapshot.merged_files:
        return KnownKeys()
    return _sampled(snapshot) if merged_bytes(snapshot) <= _READ_UP_TO_BYTES else _firsts(snapshot)


def _sampled(snapshot: Snapshot) -> KnownKeys:
    # Chosen by chance, and the same each time: the files may overlap, so that every so-manieth row
    # of them is none of the sorted keys.
    with connect(snapshot.catalog) as connection:
        found = connection.execute(
            f"SELECT key FROM ({snapshot.merged_rows}) WHERE hash(key) % {_ROWS_PER_KEY} = 0 "
            "ORDER BY key"
        ).fetchall()
    return KnownKeys([key for (key,) in found], _ROWS_PER_KEY)


def _firsts(snapshot: Snapshot) -> KnownKeys:
    with table_errors(snapshot.catalog, "objects"):
        actions = snapshot.merged.get_add_actions(flatten=True)
    mine = [
        (row["min.key"], row["num_records"])
        for row in pa.table(actions).to_pylist()
        if row["partition.source"] == snapshot.source_id and row.get("min.key")
    ]
    if not mine:
        return KnownKeys()
    keys = sorted({key for key, _ in mine})
    return KnownKeys(keys, max(1, sum(rows for _, rows in mine) // len(keys)))
