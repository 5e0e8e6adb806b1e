"""What S3 has of a source, complete: from a listing, or from a report of S3 Inventory."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import CHANGES
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.index.journal import Begun, Journal, journal_of
from s3pipelines.core.index.known_keys import known_keys
from s3pipelines.core.index.reports import read_report
from s3pipelines.core.index.snapshot import Snapshot
from s3pipelines.core.index.spool import Spool, spool_listing
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sources.source import Source


@dataclass(frozen=True)
class Listing:
    """A complete listing, or a report of the past.

    Attributes:
        spool: Its rows.
        begun: What was known before it began.
        is_past: It is a report.
    """

    spool: Spool
    begun: Begun
    is_past: bool = False

    @property
    def asked_at(self) -> int:
        """The version of the ledger up to which it answers hints about what it shows."""
        return -1 if self.is_past else self.begun.ledger_version

    @property
    def answers_up_to(self) -> int:
        """The version of the ledger up to which it answers every hint; -1 for none.

        It leaves alone what has not settled: a hint about that is still to be asked about.
        """
        return -1 if self.spool.waiting else self.asked_at


@contextmanager
def listing_of(
    catalog: Catalog, source: Source, inventory: str | None, say: Callable[[str], None]
) -> Iterator[Listing]:
    """List a source, or read a report; the files are there as long as the block runs.

    Args:
        catalog: Where the index is.
        source: The source; its listing lease is held.
        inventory: The manifest of a report; None to list.
        say: Is told of the steps, a line each.

    Raises:
        InvalidInput: The report is none of this source, or older than what the index has.
        StorageError: The source cannot be listed, or the report not be read.
    """
    begun = Begun(
        ledger_version=open_table(catalog, CHANGES).version(),
        listings=Snapshot.open(catalog, source.id).listings,
        listed_at=datetime.now(UTC),
    )
    if inventory is not None:
        with tempfile.TemporaryDirectory(prefix="s3pipelines-refresh-") as folder:
            report = read_report(catalog, source, inventory, Path(folder, "listed.parquet"), say)
            known = Begun(report.created_at, report.ledger_version, begun.listings)
            yield Listing(report.spool, known, is_past=True)
        return
    with journal_of(catalog, source, begun) as journal:
        listing = _list(catalog, source, journal, say)
        try:
            yield listing
        except BaseException:
            journal.forget()  # It could not be used: the next one had better list again.
            raise


def _list(
    catalog: Catalog, source: Source, journal: Journal, say: Callable[[str], None]
) -> Listing:
    done = sum(one.rows for one in journal.finished)
    say(
        f"Going on with the listing of {source.location.uri} that was begun at "
        f"{journal.begun.listed_at:%H:%M} UTC, after {counted(done, 'object')}"
        if journal.resumed
        else f"Listing {source.location.uri}"
    )
    known = known_keys(Snapshot.open(catalog, source.id))
    access = source.access(catalog.access)
    spool = spool_listing(source, access, journal, known, catalog.listing_requests)
    return Listing(spool, journal.begun)
