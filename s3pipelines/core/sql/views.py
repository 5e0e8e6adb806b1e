"""Views of the SQL session that answer what people ask most; the tables answer the rest.

Each is one query over the view `objects`, computed when it is asked: nothing is stored, and
nothing is out of date. None holds more than its groups; what does not fit into memory is spilled.
"""

from dataclasses import dataclass

import pyarrow as pa

from s3pipelines.core.catalog.schemas import TIMESTAMP, Column
from s3pipelines.core.sql.prefix_sums import PREFIX

BY_PREFIX = "sources_by_prefix"
_SOURCE = Column("source", pa.string(), "Id of the source.")
_OBJECTS = Column("objects", pa.int64(), "How many objects.")
_SIZE = Column("size_bytes", pa.int64(), "Their size together, in bytes.")


@dataclass(frozen=True)
class SqlView:
    """One view.

    Attributes:
        columns: In the order of the query.
        query: Over the view `objects`.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    query: str


def _by(*groups: str) -> str:
    """A query for objects and bytes by some expressions."""
    return (
        f"SELECT {', '.join(groups)}, count(*) AS objects, sum(size_bytes)::BIGINT AS size_bytes "
        "FROM objects GROUP BY ALL"
    )


# Whose ETag and size come more than once is known by a hash first: a number for each object is a
# third of the memory and half of the time that texts would take (10 million objects: 5 s in 512 MB
# when each has a copy). Where two hashes meet by chance, there is one copy, which is left out.
_DUPLICATES = """
    WITH repeated AS (
        SELECT hash(etag, size_bytes) AS digest FROM objects
        WHERE size_bytes > 0 GROUP BY ALL HAVING count(*) > 1
    ), candidates AS (
        SELECT * FROM objects SEMI JOIN repeated
            ON hash(objects.etag, objects.size_bytes) = repeated.digest
        WHERE size_bytes > 0
    )
    SELECT source, key, etag, size_bytes,
        count(*) OVER (PARTITION BY etag, size_bytes) AS copies,
        first_value(source) OVER in_order AS first_source,
        first_value(key) OVER in_order AS first_key
    FROM candidates
    WINDOW in_order AS (PARTITION BY etag, size_bytes ORDER BY source, key)
    QUALIFY copies > 1
"""

VIEWS: tuple[SqlView, ...] = (
    SqlView(
        name="sources_summary",
        description="What each source holds, in one row; without sources that hold nothing.",
        columns=(
            _SOURCE,
            _OBJECTS,
            _SIZE,
            Column("oldest", TIMESTAMP, "When the first of them was written."),
            Column("newest", TIMESTAMP, "When the last of them was written."),
            Column("indexed_at", TIMESTAMP, "When the index took in the latest change."),
        ),
        query="SELECT source, count(*) AS objects, sum(size_bytes)::BIGINT AS size_bytes, "
        "min(last_modified) AS oldest, max(last_modified) AS newest, max(indexed_at) AS indexed_at "
        "FROM objects GROUP BY ALL",
    ),
    SqlView(
        name="sources_by_format",
        description="What each source holds, by the end of the name.",
        columns=(
            _SOURCE,
            Column("extension", pa.string(), "As in `objects`."),
            _OBJECTS,
            _SIZE,
        ),
        query=_by("source", "extension"),
    ),
    SqlView(
        name="sources_by_class",
        description="What each source holds, by storage class.",
        columns=(
            _SOURCE,
            Column("storage_class", pa.string(), "As in `objects`."),
            _OBJECTS,
            _SIZE,
        ),
        query=_by("source", "storage_class"),
    ),
    SqlView(
        name="sources_by_day",
        description="How each source grew: what it holds, by the day on which it was written. What "
        "was overwritten or deleted since is not there any more.",
        columns=(
            _SOURCE,
            Column("day", pa.date32(), "Day in UTC."),
            _OBJECTS,
            _SIZE,
        ),
        query=_by("source", "last_modified::DATE AS day"),
    ),
    SqlView(
        name=BY_PREFIX,
        description="What each source holds, by the first two folders of the key.",
        columns=(
            _SOURCE,
            Column(
                "prefix",
                pa.string(),
                "The key up to its second slash, or its first one if it has no other, or nothing.",
            ),
            _OBJECTS,
            _SIZE,
        ),
        query=_by("source", f"{PREFIX} AS prefix"),
    ),
    SqlView(
        name="duplicates",
        description="Objects of the same ETag and size as another one, in the same source or in "
        "another; without empty ones. Equal ETags mean equal bytes, but not the other way round: "
        "the ETag of a multipart upload (`…-7`) also depends on the size of its parts, and one "
        "that was encrypted with KMS has an ETag of its own.",
        columns=(
            _SOURCE,
            Column("key", pa.string(), "Full key of the object."),
            Column("etag", pa.string(), "ETag that they have in common."),
            Column("size_bytes", pa.int64(), "Size of each."),
            Column("copies", pa.int64(), "How many there are, this one included."),
            Column("first_source", pa.string(), "Source of the first, by source and key."),
            Column("first_key", pa.string(), "Its key; the same as `key` in one row of each."),
        ),
        query=_DUPLICATES,
    ),
)
