"""Bringing the index of one source up to date by listing it, atomically and incrementally.

What the listing shows is true for each key at the moment of its page. While it goes on, events are
applied as ever; a key that S3 was asked about since the listing began is asked about once more,
as nothing tells which of the two came later.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from s3pipelines.core.catalog.appending import append_through
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import CHANGES, OBJECTS
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.detection.differences import KINDS
from s3pipelines.core.detection.ledger import load_observations
from s3pipelines.core.errors import Busy
from s3pipelines.core.index.commit import Written, replace_rows
from s3pipelines.core.index.comparison import Comparison, listed_rows
from s3pipelines.core.index.listings import Listing, listing_of
from s3pipelines.core.index.reports import MARGIN
from s3pipelines.core.index.summary import Group, summarize
from s3pipelines.core.index.turns import Applied, Turn, take_turn
from s3pipelines.core.index.upkeep import clear_if_folded, compact_ledger, fold
from s3pipelines.core.index.version_ids import keep_version_ids
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sources.guards import refuse_own_output
from s3pipelines.core.sources.leases import listing_lease
from s3pipelines.core.sources.refreshes import RefreshRecord, last_refresh, write_record
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.leases import hold


@dataclass(frozen=True)
class Refresh:
    """What a refresh found and did.

    Attributes:
        batch_id: Names it in the ledger.
        table_version: Version of the table `objects` that holds the result.
        wrote: How it was written; `nothing` if the listing agreed with the index.
        created: What the listing showed and the index lacked, and so on by kind.
        waiting: Objects left alone as they have not settled.
        requests: Listing requests.
        applied: What was pending in the ledger and applied before.
        groups: What the index holds now, by extension and storage class.
    """

    source: Source
    batch_id: str
    listed_at: datetime
    table_version: int
    wrote: Written
    created: int
    overwritten: int
    transitioned: int
    deleted: int
    waiting: int
    requests: int
    applied: Applied
    duration_s: float
    groups: tuple[Group, ...]

    @property
    def rows(self) -> int:
        """Objects in the index of this source."""
        return sum(group.objects for group in self.groups)

    @property
    def size_bytes(self) -> int:
        """Their size together."""
        return sum(group.size_bytes for group in self.groups)

    @property
    def record(self) -> RefreshRecord:
        """What is kept of it in the catalog."""
        return RefreshRecord(
            generation=self.source.generation,
            listed_at=self.listed_at,
            table_version=self.table_version,
            rows=self.rows,
            batch_id=self.batch_id,
        )

    @property
    def changed(self) -> int:
        """Objects that differed from the index."""
        return self.created + self.overwritten + self.transitioned + self.deleted


def refresh_index(
    catalog: Catalog,
    source_id: str,
    *,
    batch_id: str | None = None,
    inventory: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Refresh:
    """List a source and make its index agree with it.

    Changes of the ledger can be applied meanwhile. A killed refresh leaves the index as it was, or
    with what it had recorded in the ledger by then.

    Args:
        catalog: Where the registry and the tables are.
        source_id: A registered source.
        batch_id: Names the refresh in the ledger; made up by default.
        inventory: The manifest of a report of S3 Inventory, which is read in place of a listing.
        say: Is told of the steps, a line each.

    Raises:
        NotFound: There is no such source (any more).
        InvalidInput: The source overlaps with what the project writes, or the report is none of
            this source or older than what the index has.
        Busy: Another process is listing it, or writing its index, and went on for ten minutes.
        StorageError: The source cannot be listed, or the catalog cannot be written.
    """
    started = time.monotonic()
    source = get_source(catalog, source_id)
    refuse_own_output(catalog, source)
    ensure_table(catalog, OBJECTS)
    ensure_table(catalog, CHANGES)
    purpose = f"A refresh of the index of {source_id!r}"
    with (
        hold(catalog.documents, listing_lease(source_id), purpose),
        listing_of(catalog, source, inventory, say) as listing,
    ):

        def work(turn: Turn, connection: duckdb.DuckDBPyConnection) -> Refresh:
            return _Refreshing(catalog, source, turn, listing, connection).run(say)

        refresh = take_turn(catalog, source, batch_id, say, work)
        refresh = replace(refresh, duration_s=time.monotonic() - started)
        write_record(catalog, source_id, refresh.record)
        return refresh


class _Refreshing:
    """One attempt to make the index agree with a listing."""

    def __init__(
        self,
        catalog: Catalog,
        source: Source,
        turn: Turn,
        listing: Listing,
        connection: duckdb.DuckDBPyConnection,
    ) -> None:
        self._catalog = catalog
        self._source = source
        self._turn = turn
        self._listing = listing
        self._connection = connection

    def run(self, say: Callable[[str], None]) -> Refresh:
        turn, connection, listing = self._turn, self._connection, self._listing
        if turn.snapshot.listings != listing.begun.listings:
            raise Busy(
                f"Another listing of {self._source.id!r} was written meanwhile.",
                hint="Run it again.",
            )
        say(f"Comparing {counted(listing.spool.rows, 'object')} with the index")
        clear_if_folded(connection, turn.snapshot)
        if self._is_first():
            repaired = self._take_in_whole()
            applied = turn.apply_pending(connection, answered_up_to=listing.answers_up_to)
        else:
            applied = turn.apply_pending(connection, answered_up_to=listing.answers_up_to)
            repaired = self._repair()
        turn.settle()
        compact_ledger(self._catalog, self._source)
        return Refresh(
            source=self._source,
            batch_id=turn.batch_id,
            listed_at=listing.begun.listed_at,
            table_version=turn.snapshot.merged.version(),
            wrote=repaired.wrote if repaired.wrote != "nothing" else applied.wrote,
            **repaired.changes,
            waiting=listing.spool.waiting,
            requests=listing.spool.requests,
            applied=applied,
            duration_s=0,
            groups=summarize(connection, turn.snapshot.rows),
        )

    def _is_first(self) -> bool:
        """Nothing is known of the source but what the listing shows."""
        snapshot = self._turn.snapshot
        if (
            snapshot.merged_files
            or snapshot.tail_files
            or last_refresh(self._catalog, self._source)
        ):
            return False
        self._load_observations()
        query = f"SELECT count(*) FROM ({self._answered()})"
        return self._connection.execute(query).fetchall()[0][0] == 0

    def _compared(self) -> Comparison:
        spool = self._listing.spool
        return Comparison(
            self._connection,
            self._source,
            datetime.now(UTC),
            listed=spool.query,
            indexed=self._turn.snapshot.rows,
            slices=spool.slices(),
        )

    def _take_in_whole(self) -> Applied:
        """The first listing: what it found is in the index itself, not also in the ledger."""
        spool = self._listing.spool
        found = spool.rows - spool.waiting
        if not found:
            return Applied()
        self._turn.confirm()
        snapshot, begun = self._turn.snapshot, self._listing.begun
        marks = [
            snapshot.transaction("ledger", max(snapshot.applied, begun.ledger_version)),
            snapshot.transaction("listings", begun.listings + 1),
        ]
        rows = listed_rows(self._connection, self._source, datetime.now(UTC), spool.query)
        replace_rows(snapshot, rows, marks)
        return Applied(changes=dict.fromkeys(KINDS, 0) | {"created": found}, wrote="replacement")

    def _repair(self) -> Applied:
        """Record what the listing shows otherwise than the index, and apply it like any change."""
        turn, connection, repaired = self._turn, self._connection, Applied()
        self._load_observations()
        comparison = self._compared()
        doubtful = comparison.leave_out(self._may_be_newer())
        if any(comparison.counts().values()):
            turn.confirm()
            turn.note_changes()
            rows = comparison.ledger_rows(turn.batch_id, self._listing.asked_at)
            mine = turn.snapshot.transaction("answers", turn.ledger.version() + 1)
            append_through(self._catalog, CHANGES, turn.ledger, rows, [mine])
        if doubtful:
            keys = pa.table({"key": pa.array(doubtful, type=pa.string())})
            connection.register("doubtful", keys)
            connection.execute(
                "CREATE OR REPLACE TEMP TABLE open_keys AS SELECT key, 'listing' AS observed_by, "
                "now() AS since, NULL::VARCHAR AS restore_id FROM doubtful ORDER BY key"
            )
            turn.note_changes()
            turn.ask(connection, repaired)
        self._load_observations()
        turn.apply_answers(connection, repaired, merge=True)
        turn.see_what_waits(connection)
        turn.confirm()
        folded = fold(connection, turn.snapshot, self._source)
        named = keep_version_ids(
            connection, turn, self._source, self._listing.spool, self._may_be_newer()
        )
        for way in (folded, named):
            repaired.wrote = way if way != "nothing" else repaired.wrote
        return repaired

    def _may_be_newer(self) -> str:
        """A query for the keys of which the index may know more than the listing."""
        if not self._listing.is_past:
            return self._answered()
        # A report may lack what was written shortly before it. Both times are S3's.
        since = sql_text((self._listing.begun.listed_at - MARGIN).isoformat())
        recent = f"FROM ({self._turn.snapshot.rows}) WHERE last_modified > TIMESTAMPTZ {since}"
        return f"{self._answered()} UNION SELECT key {recent}"

    def _answered(self) -> str:
        """A query for the keys that S3 was asked about since the listing began."""
        since = self._listing.begun.ledger_version
        return f"SELECT key FROM observations WHERE kind <> 'hinted' AND commit_version > {since}"

    def _load_observations(self) -> None:
        first = min(self._listing.begun.ledger_version + 1, self._turn.first_open)
        load_observations(
            self._connection, self._catalog, self._turn.ledger, self._source.id, first
        )
