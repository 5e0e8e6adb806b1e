"""How the ledger is doing, in a few numbers: what a person looks at who operates it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import CHANGES
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text

_LAG_OVER = timedelta(days=1)


@dataclass(frozen=True)
class LedgerStatistics:
    """The ledger of one source at one moment, by the clocks of the machines that run the project.

    Attributes:
        hints: Hints that S3 was not asked about yet.
        waiting: Objects that have not settled, or that S3 gave no answer about.
        oldest_open_s: Age of the oldest unanswered hint, in seconds; None if there is none.
        changes_last_hour: Objects found to be created, overwritten, deleted, moved to another
            storage class or restored.
        lag_p50_s: Median of the seconds from hint to answer over a day; None if there was none.
        lag_p95_s: The 95th percentile of the same.
    """

    hints: int
    waiting: int
    oldest_open_s: float | None
    changes_last_hour: int
    lag_p50_s: float | None
    lag_p95_s: float | None


def statistics_of(catalog: Catalog, source: Source) -> LedgerStatistics:
    """The numbers of one source.

    Raises:
        StorageError: The catalog cannot be read.
    """
    now = datetime.now(UTC)
    pending = read_pending(catalog, source)
    since = pending.since if pending else None
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source.id, CHANGES)
        changes, median, high = connection.execute(_query(now)).fetchall()[0]
    return LedgerStatistics(
        hints=pending.hints if pending else 0,
        waiting=pending.waiting if pending else 0,
        oldest_open_s=max(0.0, (now - since).total_seconds()) if since else None,
        changes_last_hour=changes,
        lag_p50_s=median,
        lag_p95_s=high,
    )


def _query(now: datetime) -> str:
    hour, day = (_time(now - past) for past in (timedelta(hours=1), _LAG_OVER))
    kinds = "'created', 'overwritten', 'transitioned', 'restored', 'deleted'"
    lag = "epoch(observed_at) - epoch(hinted_at)"
    return f"""
        SELECT
            count(*) FILTER (kind IN ({kinds}) AND observed_at > {hour}),
            quantile_cont({lag}, 0.5),
            quantile_cont({lag}, 0.95)
        FROM changes_attempts WHERE observed_at > {day}
    """


def _time(at: datetime) -> str:
    return f"TIMESTAMPTZ {sql_text(at.isoformat())}"
