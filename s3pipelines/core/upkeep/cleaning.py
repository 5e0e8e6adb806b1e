"""Removing what no reader needs any more: files of old versions, and the log of old commits.

The ledger is read by its log: who applies it asks which commit brought a row. So what was
committed since the first open hint of any source stays, files and log, however old it is.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from deltalake import DeltaTable

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import CHANGES, TableSchema
from s3pipelines.core.catalog.tables import NO_CLEANUP, open_table, table_errors
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.sources.registry import read_registry

# Between the clock that is in a commit and that of the store of its file.
_CLOCKS_APART = timedelta(hours=1)
_RETENTIONS = ("delta.deletedFileRetentionDuration", "delta.logRetentionDuration")


@dataclass(frozen=True)
class Cleaned:
    """What was removed of one table.

    Attributes:
        files: Data files.
        size_bytes: Their size together.
        log_is_kept: Its log was left alone, as something in it is still open.
    """

    files: int
    size_bytes: int
    log_is_kept: bool = False


def clean(catalog: Catalog, schema: TableSchema, keep: timedelta) -> Cleaned:
    """Write a checkpoint, and remove files and log that no version of the last `keep` needs.

    Args:
        catalog: Where the table is.
        schema: Its schema; the table must be there.
        keep: How long what was replaced stays. Whoever reads or writes for longer may fail.

    Raises:
        CommitFailedError: The table itself was changed in the same moment.
        StorageError: The catalog cannot be written.
    """
    table = open_table(catalog, schema)
    with table_errors(catalog, schema.name):
        _set_retention(table, keep)
        open_since = _open_since(catalog, table, keep) if schema is CHANGES else None
        cleaned = _remove_files(table, keep, open_since)
        table.create_checkpoint()
        if open_since is not None:
            return Cleaned(cleaned.files, cleaned.size_bytes, log_is_kept=True)
        table.cleanup_metadata()
    return cleaned


def _set_retention(table: DeltaTable, keep: timedelta) -> None:
    wanted = {name: f"interval {_hours(keep)} hours" for name in _RETENTIONS}
    known = table.metadata().configuration
    if any(known.get(name) != value for name, value in wanted.items()):
        table.alter.set_table_properties(wanted, post_commithook_properties=NO_CLEANUP)


def _open_since(catalog: Catalog, ledger: DeltaTable, keep: timedelta) -> int | None:
    """The first version that is still needed although it is older than what is kept anyway.

    None if there is none: then all that is open is younger than what is removed.
    """
    registry = read_registry(catalog)
    if registry.unreadable:
        return 0  # What is open of those, nobody can tell.
    known = [read_pending(catalog, source) for source in registry.sources]
    first = min((pending.first for pending in known if pending is not None), default=None)
    if first is None or first > ledger.version():
        return None
    at = _committed_at(ledger, first)
    safe_since = datetime.now(UTC) - keep + _CLOCKS_APART
    return None if at is not None and at > safe_since else first


def _committed_at(table: DeltaTable, version: int) -> datetime | None:
    for commit in table.history(table.version() - version + 1):
        if commit.get("version") == version and "timestamp" in commit:
            return datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)
    return None


def _remove_files(table: DeltaTable, keep: timedelta, open_since: int | None) -> Cleaned:
    versions = None
    if open_since is not None:
        known = (commit.get("version", -1) for commit in table.history())
        versions = sorted(version for version in known if version >= open_since)
    # Each removal is two commits, also one of nothing: so look first.
    if not _vacuum(table, keep, versions, dry_run=True):
        return Cleaned(0, 0)
    removed = _vacuum(table, keep, versions, dry_run=False)
    return Cleaned(len(removed), _removed_bytes(table))


def _vacuum(
    table: DeltaTable, keep: timedelta, versions: list[int] | None, *, dry_run: bool
) -> list[str]:
    return table.vacuum(
        retention_hours=_hours(keep),
        dry_run=dry_run,
        enforce_retention_duration=False,  # Against less than a week; settings see to that.
        post_commithook_properties=NO_CLEANUP,
        full=True,  # Also what was written by somebody who was killed before the commit.
        keep_versions=versions,
    )


def _removed_bytes(table: DeltaTable) -> int:
    """What the removal said of itself in the log."""
    for commit in table.history(10):
        if commit.get("operation") == "VACUUM START":
            return int(commit.get("operationMetrics", {}).get("sizeOfDataToDelete", 0))
    return 0


def _hours(keep: timedelta) -> int:
    return int(keep.total_seconds() // 3600)
