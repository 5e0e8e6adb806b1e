"""A report of S3 Inventory in place of a listing: a past, beside which the ledger may be newer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import CHANGES
from s3pipelines.core.catalog.tables import open_table, table_errors
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.index.inventory import spool_inventory
from s3pipelines.core.index.spool import Spool
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sources.refreshes import last_refresh
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.inventories import Inventory, read_inventory

# S3 makes a report over hours, and it "might not include recently added or deleted objects".
MARGIN = timedelta(days=1)


@dataclass(frozen=True)
class Report:
    """What a report says of a source.

    Attributes:
        spool: Its rows.
        created_at: When S3 began to look at the bucket.
        ledger_version: What S3 said up to this version of the ledger, the report surely knows; what
            it was asked about since is to be asked about once more. -1 if there is none.
    """

    spool: Spool
    created_at: datetime
    ledger_version: int


def read_report(
    catalog: Catalog, source: Source, uri: str, path: Path, say: Callable[[str], None]
) -> Report:
    """Read a report into `path`; see `spool_inventory`.

    Raises:
        InvalidInput: It is none of this source, the index knows more than it, or the log of the
            ledger no longer goes back so far.
        StorageError: It cannot be read, or is damaged.
    """
    access = source.access(catalog.access)
    say(f"Reading {uri}")
    inventory = read_inventory(access, uri)
    _require_newer(catalog, source, inventory)
    with table_errors(catalog, CHANGES.name):
        commits = open_table(catalog, CHANGES).history()
    times = {c["version"]: datetime.fromtimestamp(c["timestamp"] / 1000, UTC) for c in commits}
    known = last_before(times, inventory.created_at - MARGIN)
    files = counted(len(inventory.files), "file")
    say(f"Reading {files} of {inventory.created_at:%Y-%m-%d %H:%M} UTC")
    spool = spool_inventory(catalog, source, access, inventory, path)
    return Report(spool, inventory.created_at, known)


def last_before(times: dict[int, datetime], at: datetime) -> int:
    """The last version before the first one that is later than `at`; -1 for none.

    Args:
        times: When each version was committed, as far as the log goes back.
        at: When.

    Raises:
        InvalidInput: The log does not go back so far.
    """
    later = [version for version, time in times.items() if time > at]
    if not later:
        return max(times)
    if min(later) == min(times) > 0:
        raise InvalidInput(
            "The log of the ledger no longer goes back to the day before the report.",
            hint="Take a newer report, or list with --full.",
        )
    return min(later) - 1


def _require_newer(catalog: Catalog, source: Source, inventory: Inventory) -> None:
    listed = last_refresh(catalog, source)
    if listed is not None and inventory.created_at < listed.listed_at:
        raise InvalidInput(
            f"The report is of {inventory.created_at:%Y-%m-%d %H:%M} UTC, older than the last full "
            f"listing of {source.id!r}, of {listed.listed_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC: "
            "it would bring back what is gone.",
            hint="Take the next report, or list with --full.",
        )
