"""Making an index differ from its source: synthetic buckets cannot change, so the index does."""

from typing import Any

from deltalake import write_deltalake

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import (
    TARGET_FILE_BYTES,
    WRITER,
    source_predicate,
)
from s3pipelines.core.index.snapshot import Snapshot
from s3pipelines.core.storage.locations import parse_location


def alter_index(catalog: str, source_id: str, changes: str, shape: str) -> dict[str, Any]:
    """Write the index of a source anew, sorted, so that a refresh will find `changes` differences.

    Of four differences two are overwritten objects, one is a created and one a deleted object.

    Args:
        catalog: Where the index is.
        source_id: The source.
        changes: How many.
        shape: `scattered` evenly over all keys, or `together` in one range of keys.
    """
    home = Catalog(parse_location(catalog), memory_limit_mb=2048)
    snapshot = Snapshot.open(home, source_id)
    indexed = snapshot.merged_rows
    with connect(home) as connection:
        rows = connection.execute(f"SELECT count(*) FROM ({indexed})").fetchall()[0][0]
        step = rows // int(changes) if shape == "scattered" else 1
        first = 0 if shape == "scattered" else min(rows * 2 // 5, rows - int(changes))
        kind = f"""if(
            place >= {first} AND (place - {first}) % {step} = 0
            AND (place - {first}) // {step} < {changes},
            ((place - {first}) // {step}) % 4, NULL)"""
        # 0, 1: overwritten; 2: created (the index lacks it); 3: deleted (the index has one more).
        query = f"""
            WITH numbered AS (
                SELECT *,
                    row_number() OVER (ORDER BY key) - 1 AS place, {kind} AS kind
                FROM ({indexed})
            )
            SELECT * EXCLUDE (place, kind) REPLACE (if(kind IN (0, 1), md5(key), etag) AS etag)
            FROM numbered WHERE kind IS DISTINCT FROM 2
            UNION ALL BY NAME
            SELECT * EXCLUDE (place, kind) REPLACE (key || '.gone' AS key)
            FROM numbered WHERE kind = 3
            ORDER BY key
        """
        columns = ", ".join(OBJECTS.column_names)
        write_deltalake(
            snapshot.merged,
            connection.execute(f"SELECT {columns} FROM ({query})").to_arrow_reader(65536),
            mode="overwrite",
            predicate=source_predicate(source_id),
            target_file_size=TARGET_FILE_BYTES,
            writer_properties=WRITER,
        )
    return {}
