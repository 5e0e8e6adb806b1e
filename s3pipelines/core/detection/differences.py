"""The one rule that says how an object as S3 lists it differs from its row in the index.

Written in SQL over two relations, `listed` (schema `SCOPED`) and `indexed` (table `objects`), so
that a slice of a thousand rows in a sensor and ten million in a refresh are compared alike, and
DuckDB bounds the memory.

Version ids are compared by `VERSION_DIFFERENCES` only, whose `listed` is of `SCOPED_VERSIONS`, and
only where both sides know one: the index may lack those of before the source asked for them, and a
server does not tell them everywhere.
"""

from typing import Literal

ChangeKind = Literal["created", "overwritten", "transitioned", "deleted"]
KINDS: tuple[ChangeKind, ...] = ("created", "overwritten", "transitioned", "deleted")

# Times to the second: a HEAD tells no more, and some servers list milliseconds. A lifecycle rule
# moves an object to another storage class without writing it anew.
_OTHER_STATE = """
            listed.etag <> indexed.etag
            OR listed.size_bytes <> indexed.size_bytes
            OR date_trunc('second', listed.last_modified)
                <> date_trunc('second', indexed.last_modified)
"""
# Not true where one of them is NULL.
_OTHER_VERSION = "listed.version_id <> indexed.version_id"


def _differences(overwritten: str, version_id: str) -> str:
    # What has not settled yet stays as the index has it: neither new, nor changed, nor gone.
    return f"""
    SELECT
        CASE
            WHEN indexed.key IS NULL THEN 'created'
            WHEN listed.key IS NULL THEN 'deleted'
            WHEN {overwritten} THEN 'overwritten'
            WHEN listed.storage_class <> indexed.storage_class THEN 'transitioned'
        END AS kind,
        coalesce(listed.key, indexed.key) AS key,
        listed.size_bytes, listed.etag, listed.last_modified, listed.storage_class,
        {version_id} AS version_id
    FROM listed FULL OUTER JOIN indexed ON listed.key = indexed.key
    WHERE kind IS NOT NULL AND coalesce(listed.settled, true)
"""


DIFFERENCES = _differences(_OTHER_STATE, "NULL::VARCHAR")
VERSION_DIFFERENCES = _differences(f"{_OTHER_STATE} OR {_OTHER_VERSION}", "listed.version_id")

# Objects that are as the index has them, but for the version id that it lacks. That is no change of
# the object, so it has a kind that is not among `KINDS`.
LACKING_VERSION_IDS = f"""
    SELECT
        'identified' AS kind, key,
        indexed.size_bytes, indexed.etag, indexed.last_modified, indexed.storage_class,
        listed.version_id, indexed.indexed_at
    FROM listed JOIN indexed USING (key)
    WHERE listed.version_id IS NOT NULL AND indexed.version_id IS NULL
        AND listed.settled AND NOT ({_OTHER_STATE})
"""


def differences_of(versions: bool) -> str:
    """The rule for a source that asks for versions, or does not."""
    return VERSION_DIFFERENCES if versions else DIFFERENCES
