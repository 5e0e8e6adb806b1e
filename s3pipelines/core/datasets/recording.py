"""Writing down what was registered: tags, SHA-256, and keys as hints into the ledger.

What is said to the ledger is a hint, as an event is one: S3 is asked about the key before the index
changes. So it does no harm to say it twice, and a killed process leaves nothing that is wrong.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.gathering import Gathered
from s3pipelines.core.catalog.schemas import AUDITS, OBJECTS, TAGS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.datasets.registered import CHANGED, Registered
from s3pipelines.core.detection.hints import Addressing
from s3pipelines.core.detection.ledger import append_hints
from s3pipelines.core.detection.notifications import Notice
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.core.sources.source import Source

_COMMIT_AFTER_S = 10.0


class Recorder:
    """Takes in what was registered, and writes it every few thousand rows or seconds.

    Args:
        catalog: Where the tables are.
        source: Whose objects they are.
    """

    def __init__(self, catalog: Catalog, source: Source) -> None:
        self._catalog = catalog
        self._source = source
        sources = read_registry(catalog).sources
        self._sources = {one.id: one for one in sources}
        self._addressing = Addressing(sources, observed_by="register")
        self._purpose = secrets.token_hex(8)
        self._registered = Gathered(self._write, _COMMIT_AFTER_S)
        self._said = 0

    def take(self, one: Registered) -> bool:
        """Take one in; True if it is time for `write`."""
        return self._registered.take(one)

    def write(self) -> None:
        """Write all that was taken in.

        Raises:
            StorageError: The catalog cannot be written; it is taken in still.
        """
        self._registered.write()

    def _write(self, some: Sequence[Registered]) -> None:
        self._write_tags(some)
        self._write_sums(some)
        self._tell(self._news(some))

    def _write_tags(self, some: Sequence[Registered]) -> None:
        now = datetime.now(UTC)
        rows = [
            {
                "source": self._source.id,
                "key": one.key,
                "etag": one.etag,
                "name": name,
                "value": value,
                "tagged_at": now,
            }
            for one in some
            for name, value in (one.tags or {}).items()
        ]
        append_rows(self._catalog, TAGS, rows)

    def _write_sums(self, some: Sequence[Registered]) -> None:
        """What audits compare with: beside the bucket, where it cannot change with the object."""
        now = datetime.now(UTC)
        rows = [
            {
                "source": self._source.id,
                "key": one.key,
                "etag": one.etag,
                "size_bytes": one.size_bytes,
                "sha256": one.sha256,
                "known_sha256": one.sha256,
                "outcome": "registered",
                "audited_at": now,
            }
            for one in some
            if one.outcome in ("uploaded", "replaced") and one.sha256 is not None
        ]
        append_rows(self._catalog, AUDITS, rows)

    def _news(self, some: Sequence[Registered]) -> list[str]:
        """Keys that were changed, and those that the index does not have so.

        A process that was killed may have uploaded what it could not tell any more.
        """
        changed = [one.key for one in some if one.key and one.outcome in CHANGED]
        known = [(one.key, one.etag) for one in some if one.key and one.outcome == "unchanged"]
        return changed + (self._not_indexed(known) if known else [])

    def _not_indexed(self, known: Sequence[tuple[str, str | None]]) -> list[str]:
        with connect(self._catalog) as connection:
            create_source_views(connection, self._catalog, self._source.id, OBJECTS)
            keys, etags = zip(*known, strict=True)
            connection.register("known", pa.table({"key": list(keys), "etag": list(etags)}))
            query = (
                "SELECT key FROM known ANTI JOIN objects "
                "ON objects.key = known.key AND objects.etag = known.etag"
            )
            return [key for (key,) in connection.execute(query).fetchall()]

    def _tell(self, keys: Sequence[str]) -> None:
        at = datetime.now(UTC)
        notices = []
        for key in keys:
            self._said += 1
            notice = Notice(self._source.bucket, key, "", None, None, None, None, None)
            notices.append((notice, f"{self._purpose}/{self._said}"))
        rows = self._addressing.rows_of(notices, at).rows
        append_hints(self._catalog, [(self._sources[one], some) for one, some in rows.items()], at)
