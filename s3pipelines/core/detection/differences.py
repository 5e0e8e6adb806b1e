"""The one rule that says how an object as S3 lists it differs from its row in the index.

Written in SQL over two relations, `listed` (schema `SCOPED`) and `indexed` (table `objects`), so
that a slice of a thousand rows in a sensor and ten million in a refresh are compared alike, and
DuckDB bounds the memory.
"""

from typing import Literal

ChangeKind = Literal["created", "overwritten", "transitioned", "deleted"]
KINDS: tuple[ChangeKind, ...] = ("created", "overwritten", "transitioned", "deleted")

# Times to the second: a HEAD tells no more, and some servers list milliseconds. A lifecycle rule
# moves an object to another storage class without writing it anew.
_KIND = """
    CASE
        WHEN indexed.key IS NULL THEN 'created'
        WHEN listed.key IS NULL THEN 'deleted'
        WHEN listed.etag <> indexed.etag
            OR listed.size_bytes <> indexed.size_bytes
            OR date_trunc('second', listed.last_modified)
                <> date_trunc('second', indexed.last_modified) THEN 'overwritten'
        WHEN listed.storage_class <> indexed.storage_class THEN 'transitioned'
    END
"""

# What has not settled yet stays as the index has it: neither new, nor changed, nor gone.
DIFFERENCES = f"""
    SELECT
        {_KIND} AS kind,
        coalesce(listed.key, indexed.key) AS key,
        listed.size_bytes, listed.etag, listed.last_modified, listed.storage_class
    FROM listed FULL OUTER JOIN indexed ON listed.key = indexed.key
    WHERE kind IS NOT NULL AND coalesce(listed.settled, true)
"""
