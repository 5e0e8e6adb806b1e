"""Whether documents can be relied on: what must be refused is refused, what must not is not.

Leases, registrations and the log of every table rest on it. A server that ignores a condition looks
as if all went well, until two runs overwrite each other's work.
"""

import uuid
from collections.abc import Callable
from contextlib import suppress

from s3pipelines.core.errors import AlreadyExists, InvalidInput, PreconditionFailed
from s3pipelines.core.storage.documents import Documents

WHERE_THEY_HOLD = (
    "Two runs could overwrite each other's work there: keep the catalog on a server that has "
    "If-None-Match and If-Match on PUT (AWS, MinIO, Ceph in a bucket without versions …), or in a "
    "folder."
)


def require_conditional_writes(documents: Documents, uri: str) -> None:
    """Refuse a place where conditional writes do not hold.

    Args:
        documents: The store.
        uri: Where it is, for the error.

    Raises:
        InvalidInput: They do not hold.
        StorageError: It cannot be read or written.
    """
    wrong = broken_condition(documents)
    if wrong:
        raise InvalidInput(f"The catalog {uri} {wrong}.", hint=WHERE_THEY_HOLD)


def broken_condition(documents: Documents) -> str | None:
    """Write, overwrite and remove a document; say what was wrong, None if nothing was.

    Raises:
        StorageError: It cannot be read or written.
    """
    name = f"doctor/{uuid.uuid4().hex}.json"
    try:
        # It exists already if a first answer was lost: nobody else has this name.
        with suppress(AlreadyExists):
            documents.create(name, b"1")
        first = documents.read(name)
        if _is_taken(lambda: documents.create(name, b"2")):
            return "writes over a document that is to be new (it ignores If-None-Match)"
        try:
            documents.replace(name, b"3", first.tag)
        except PreconditionFailed:
            # Its answer may have been lost, too.
            if documents.read(name).body != b"3":
                return "refuses to replace a document that nobody changed"
        if _is_taken(lambda: documents.replace(name, b"4", first.tag)):
            return "writes over a document that was changed meanwhile (it ignores If-Match)"
    finally:
        documents.remove(name)
    return None


def _is_taken(write: Callable[[], object]) -> bool:
    try:
        write()
    except (AlreadyExists, PreconditionFailed):
        return False
    return True
