"""Bringing the index of one source up to date by listing it, atomically and incrementally."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import ensure_table, open_table, table_errors
from s3pipelines.core.errors import Busy, NotFound
from s3pipelines.core.index.changes import Comparison
from s3pipelines.core.index.commit import Written, cheaper_way, commit
from s3pipelines.core.index.spool import Spool, spool_listing
from s3pipelines.core.index.summary import Group, summarize
from s3pipelines.core.sources.guards import refuse_own_output
from s3pipelines.core.sources.refreshes import RefreshRecord, write_record
from s3pipelines.core.sources.registry import get_source, index_lease
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.leases import Lease, hold

# Writers of one source take turns by the lease, so a conflict is rare: upkeep, or a writer that
# lost its lease in the very moment of its commit.
_ATTEMPTS = 5


@dataclass(frozen=True)
class Refresh:
    """What a refresh found and did.

    Attributes:
        table_version: Version of the table `objects` that holds the result.
        wrote: How it was written; `nothing` if the listing agreed with the index.
        waiting: Objects left alone as they have not settled.
        requests: Listing requests.
        groups: What the index holds now, by extension and storage class.
    """

    source: Source
    listed_at: datetime
    table_version: int
    wrote: Written
    created: int
    overwritten: int
    transitioned: int
    deleted: int
    waiting: int
    requests: int
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
        )

    @property
    def changed(self) -> int:
        """Objects that differed from the index."""
        return self.created + self.overwritten + self.transitioned + self.deleted


def refresh_index(
    catalog: Catalog, source_id: str, *, say: Callable[[str], None] = lambda _: None
) -> Refresh:
    """List a source and make the table `objects` agree with it, in one commit or none.

    One writer per source works at a time; a killed one leaves the table as it was.

    Args:
        catalog: Where the registry and the table are.
        source_id: A registered source.
        say: Is told of the steps, a line each.

    Raises:
        NotFound: There is no such source (any more).
        InvalidInput: The source overlaps with what the project writes.
        Busy: Another process is refreshing it, and went on for ten minutes.
        StorageError: The source cannot be listed, or the catalog cannot be written.
    """
    started = time.monotonic()
    source = get_source(catalog, source_id)
    refuse_own_output(catalog, source)
    ensure_table(catalog, OBJECTS)
    purpose = f"A refresh of the index of {source_id!r}"
    with hold(catalog.documents, index_lease(source_id), purpose) as lease:
        for _ in range(_ATTEMPTS):
            try:
                refresh = _refresh_once(catalog, source, lease, started, say)
                write_record(catalog, source_id, refresh.record)
                return refresh
            except CommitFailedError:
                say("The table was changed meanwhile: listing again.")
    raise Busy(
        f"The index of {source_id!r} was changed {_ATTEMPTS} times while it was being refreshed.",
        hint="See what else writes to the table 'objects', and run it again.",
    )


def _refresh_once(
    catalog: Catalog, source: Source, lease: Lease, started: float, say: Callable[[str], None]
) -> Refresh:
    version = open_table(catalog, OBJECTS).version()
    listed_at = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="s3pipelines-refresh-") as folder:
        say(f"Listing {source.location.uri}")
        spool = spool_listing(source, source.access(catalog.access), Path(folder, "listed.parquet"))
        say(f"Comparing {spool.rows:,} objects with the index")
        # Opened anew at the version from before the listing: the credentials are fresh, and
        # whatever was committed since still makes the write fail.
        table = open_table(catalog, OBJECTS, version)
        done = _write(catalog, source, table, spool, lease, listed_at)
        return replace(done, duration_s=time.monotonic() - started)


def _write(
    catalog: Catalog,
    source: Source,
    table: DeltaTable,
    spool: Spool,
    lease: Lease,
    listed_at: datetime,
) -> Refresh:
    memory_bytes = catalog.memory_limit_mb * 1024 * 1024
    with connect(catalog) as connection, table_errors(catalog, OBJECTS.name):
        comparison = Comparison(connection, source, table, spool, datetime.now(UTC))
        counts = comparison.counts()
        way = cheaper_way(sum(counts.values()), comparison.indexed_rows())
        _confirm_generation(catalog, source)
        lease.confirm()
        commit(way, table, comparison, source.id, memory_bytes)
        return Refresh(
            source=source,
            listed_at=listed_at,
            table_version=table.version(),
            wrote=way,
            **counts,
            waiting=spool.waiting,
            requests=spool.requests,
            duration_s=0,
            groups=summarize(connection, table, source.id),
        )


def _confirm_generation(catalog: Catalog, source: Source) -> None:
    """What was listed belongs to this registration, and not to a later one of the same id."""
    if get_source(catalog, source.id).generation != source.generation:
        raise NotFound(
            f"The source {source.id!r} was deleted and registered anew meanwhile.",
            hint="Refresh it again.",
        )
