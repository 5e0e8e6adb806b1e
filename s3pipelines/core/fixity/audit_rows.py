"""The table `audits`: what audits found, row by row."""

import threading
import time
from datetime import UTC, datetime
from typing import Any

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import AUDITS
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.fixity.outcomes import Audited

_COMMIT_ROWS = 5000
_COMMIT_AFTER_S = 30.0


class AuditRows:
    """Takes in what was found, and writes it every few thousand rows or seconds.

    Args:
        catalog: Where the table is.
        source_id: Whose objects they are.
    """

    def __init__(self, catalog: Catalog, source_id: str) -> None:
        self._catalog = catalog
        self._source_id = source_id
        self._waiting: list[dict[str, Any]] = []
        self._since = time.monotonic()
        self._turn = threading.Lock()

    def take(self, one: Audited) -> bool:
        """Take one in; True if it is time for `write`."""
        self._waiting.append(
            {
                "source": self._source_id,
                "key": one.key,
                "etag": one.etag,
                "size_bytes": one.size_bytes,
                "sha256": one.sha256,
                "known_sha256": one.known_sha256,
                "outcome": one.outcome,
                "proofs": ", ".join(one.proofs) or None,
                "detail": one.detail,
                "audited_at": datetime.now(UTC),
            }
        )
        old = time.monotonic() - self._since > _COMMIT_AFTER_S
        return old or len(self._waiting) >= _COMMIT_ROWS

    def write(self) -> None:
        """Write all that was taken in.

        Raises:
            StorageError: The catalog cannot be written; it is taken in still.
        """
        with self._turn:
            some = list(self._waiting)
            if some:
                ensure_table(self._catalog, AUDITS)
                append_rows(self._catalog, AUDITS, some)
            del self._waiting[: len(some)]
            self._since = time.monotonic()
