"""Asking S3 what hinted keys are now, and writing what it says into the ledger.

An event is a hint, S3 is the truth: one HEAD a key, whatever was said about it how often, in which
order and how late. What S3 says is compared with the index by the rule of every listing.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from s3pipelines.core.catalog.appending import append_through, in_batches
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import CHANGES
from s3pipelines.core.detection.differences import differences_of
from s3pipelines.core.detection.ledger import add_observations, new_row, observation_id
from s3pipelines.core.index.snapshot import Snapshot
from s3pipelines.core.sources.scope import SCOPED_VERSIONS, Scope
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.heads import Asked, Present, ask_many
from s3pipelines.core.storage.listing.serial import list_pages

# Answers are in the ledger after so many keys, so that a killed run asks only these again.
_KEYS_PER_COMMIT = 5000
# More than a few odd objects: the source itself gives no answer.
_UNANSWERED = 64
_ASK_AGAIN = timedelta(minutes=15)


@dataclass(frozen=True)
class OpenKey:
    """A key that S3 is to be asked about.

    Attributes:
        observed_by: Who hinted at it.
        since: When that was observed.
        restore_id: An event said that a restore from the archive was completed, and its id.
    """

    key: str
    observed_by: str
    since: datetime
    restore_id: str | None = None


class Answers:
    """Asks, and writes; for one batch of one source.

    Args:
        catalog: Where the ledger is.
        source: The source.
        snapshot: The index to compare with.
        ledger: A handle on the ledger, opened before anything is asked.
        batch_id: Names the batch in the rows.
    """

    def __init__(
        self,
        catalog: Catalog,
        source: Source,
        snapshot: Snapshot,
        ledger: DeltaTable,
        batch_id: str,
    ) -> None:
        self._catalog = catalog
        self._source = source
        self._snapshot = snapshot
        self._ledger = ledger
        self._batch_id = batch_id
        self._scope = Scope(source)
        self._settle = timedelta(seconds=source.settle_s)

    def ask(self, connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
        """Ask about every key of the table `open_keys`.

        What S3 said is then in the ledger, and in the table `observations`.

        Returns:
            How many answers there were, by kind.

        Raises:
            CommitFailedError: Another process answered for this source meanwhile.
            StorageError: The source gives no answers, or the ledger cannot be written.
        """
        counts: dict[str, int] = {}
        for some in _chunks(connection):
            rows = self._rows(connection, some)
            # Before the commit, which moves the handle: what was read before S3 was asked.
            mine = self._snapshot.transaction("answers", self._ledger.version() + 1)
            batches = in_batches(CHANGES, rows)
            append_through(self._catalog, CHANGES, self._ledger, batches, [mine])
            add_observations(connection, rows, self._ledger.version())
            for row in rows:
                counts[row["kind"]] = counts.get(row["kind"], 0) + 1
        return counts

    def _rows(
        self, connection: duckdb.DuckDBPyConnection, keys: Sequence[OpenKey]
    ) -> list[dict[str, Any]]:
        at = datetime.now(UTC)
        answers = self._ask_s3([open_key.key for open_key in keys])
        kinds = self._compared(connection, answers)
        return [self._row(answers[key.key], kinds.get(key.key), key, at) for key in keys]

    def _ask_s3(self, keys: list[str]) -> dict[str, Asked]:
        answers: dict[str, Asked] = {}
        failed = 0
        access = self._source.access(self._catalog.access)
        with closing(ask_many(access, self._source.bucket, keys)) as asked:
            for answer in asked:
                answers[answer.key] = answer
                failed += answer.error is not None
                if failed == len(answers) == _UNANSWERED and answer.error is not None:
                    raise answer.error
        if failed and failed == len(keys):
            # These few only, or the source itself? Then this raises.
            next(list_pages(access, self._source.location, page_size=1))
        return answers

    def _compared(
        self, connection: duckdb.DuckDBPyConnection, answers: dict[str, Asked]
    ) -> dict[str, str]:
        """The kind of change of each key whose state is not that of the index."""
        known = [key for key, answer in answers.items() if answer.error is None]
        present = [
            {"key": p.key, **_seen(p), "settled": self._settled(p)}
            for p in (answer.found for answer in answers.values())
            if p is not None and self._scope.holds(p.key, p.size_bytes)
        ]
        connection.register("answered", pa.Table.from_pylist(present, schema=SCOPED_VERSIONS))
        connection.register("asked", pa.table({"key": pa.array(known, type=pa.string())}))
        connection.execute("CREATE OR REPLACE TEMP VIEW listed AS FROM answered")
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW indexed AS "
            f"FROM ({self._snapshot.rows}) SEMI JOIN asked USING (key)"
        )
        rule = differences_of(self._source.versions)
        found = connection.execute(f"SELECT key, kind FROM ({rule})").fetchall()
        connection.unregister("answered")
        connection.unregister("asked")
        return dict(found)

    def _row(
        self, answer: Asked, kind: str | None, open_key: OpenKey, at: datetime
    ) -> dict[str, Any]:
        version = self._ledger.version()
        values: dict[str, Any] = {
            # A batch may ask about a key again, and both answers count.
            "id": observation_id(self._batch_id, version, open_key.key),
            "ledger_version": version,
            "observed_at": at,
            "observed_by": open_key.observed_by,
            "hinted_at": open_key.since,
            "batch_id": self._batch_id,
        }
        found = answer.found
        if answer.error is not None:
            note = {"due_at": at + _ASK_AGAIN, "note": answer.error.message}
            return new_row(self._source.id, answer.key, "failed", **values, **note)
        if found is not None:
            values |= _seen(found)
            if not self._scope.holds(found.key, found.size_bytes):
                values["note"] = "It is no object of the source (its folder marker or its globs)."
                kind = kind or "excluded"
            elif not self._settled(found):
                rest = self._settle - (found.server_time - found.last_modified)
                values |= {"due_at": at + rest, "note": "It has not settled yet."}
                kind = "waiting"
            elif kind is None and open_key.restore_id and found.restored_until:
                values["id"] = observation_id(self._source.generation, open_key.restore_id)
                values["note"] = f"It can be read until {found.restored_until:%Y-%m-%d %H:%M} UTC."
                kind = "restored"
        return new_row(self._source.id, answer.key, kind or "unchanged", **values)

    def _settled(self, found: Present) -> bool:
        # Both by S3's own clock.
        return not self._settle or found.server_time - found.last_modified >= self._settle


def _seen(found: Present) -> dict[str, Any]:
    return {
        "etag": found.etag,
        "version_id": found.version_id,
        "size_bytes": found.size_bytes,
        "last_modified": found.last_modified,
        "storage_class": found.storage_class,
    }


def _chunks(connection: duckdb.DuckDBPyConnection) -> Iterator[list[OpenKey]]:
    start = 0
    while True:
        found = connection.execute(
            "SELECT key, observed_by, since, restore_id FROM open_keys "
            "WHERE rowid >= ? AND rowid < ? ORDER BY key",
            [start, start + _KEYS_PER_COMMIT],
        ).fetchall()
        if not found:
            return
        yield [OpenKey(*row) for row in found]
        start += _KEYS_PER_COMMIT
