"""The table `audits`: what audits found, row by row."""

from datetime import UTC, datetime
from typing import Any

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.gathering import Gathered
from s3pipelines.core.catalog.schemas import AUDITS
from s3pipelines.core.fixity.outcomes import Audited

_COMMIT_AFTER_S = 30.0


class AuditRows:
    """Takes in what was found, and writes it every few thousand rows or seconds.

    Args:
        catalog: Where the table is.
        source_id: Whose objects they are.
    """

    def __init__(self, catalog: Catalog, source_id: str) -> None:
        self._source_id = source_id
        self._rows: Gathered[dict[str, Any]] = Gathered(
            lambda some: append_rows(catalog, AUDITS, some), _COMMIT_AFTER_S
        )

    def take(self, one: Audited) -> bool:
        """Take one in; True if it is time for `write`."""
        return self._rows.take(
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

    def write(self) -> None:
        """Write all that was taken in.

        Raises:
            StorageError: The catalog cannot be written; it is taken in still.
        """
        self._rows.write()
