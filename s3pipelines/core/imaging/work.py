"""Going through a source: headers or thumbnails of all its objects that lack them.

A run may be killed at any time. Thumbnails are written before their rows, and under names that
follow from what they show; so what has no row yet is simply made again, to the same place.
"""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.imaging.missing import Item, Work, count_missing, missing
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.rows import append_rows
from s3pipelines.core.imaging.steps import ByteBudget, Done, Steps, TargetFailed
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.storage.documents import open_documents
from s3pipelines.core.storage.ranged_reads import ObjectReader

__all__ = ["Item", "Report", "Work", "count_missing", "missing", "run"]

# Requests wait for the network most of their time; decoding is bounded by the pool.
_THREADS = 32
_IN_FLIGHT_BYTES = 256 * 1024 * 1024
# A commit costs some 50 ms, and a killed run makes again what it had not committed.
_ROWS_PER_COMMIT = 5000
_SECONDS_PER_COMMIT = 20


@dataclass
class Report:
    """What a run did.

    Attributes:
        made: Headers read or thumbnails made.
        failed: Objects that gave none, by reason; archived ones are not among them.
        archived: Objects that would have to be restored first; nothing was fetched of them.
        bytes_read: Fetched from the source.
        bytes_written: Thumbnails written.
        duration_s: From beginning to end.
    """

    made: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    archived: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    duration_s: float = 0

    @property
    def objects(self) -> int:
        """Objects that have a row of this run."""
        return self.made + self.archived + sum(self.failed.values())

    @property
    def images_per_s(self) -> float:
        """Headers or thumbnails per second."""
        return self.made / self.duration_s if self.duration_s else 0.0

    def count(self, done: Done) -> None:
        """Take one object in."""
        error = done.row["error"]
        if error is None:
            self.made += 1
        elif error == "archived":
            self.archived += 1
        else:
            self.failed[error] += 1
        self.bytes_read += done.bytes_read
        self.bytes_written += done.bytes_written


def run(
    catalog: Catalog,
    work: Work,
    *,
    pool: DecodePool | None = None,
    limit: int | None = None,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Work on every object that lacks a current row; each gets exactly one row.

    Args:
        catalog: Where the registry and the tables are.
        work: What is wanted of which objects.
        pool: Where images are decoded; by default one of this machine's size, for this run.
        limit: Most objects to work on.
        progress: Is told how far it is after each object.

    Raises:
        NotFound: There is no such source.
        StorageError: The source, the catalog or the place for derivatives cannot be used. The
            rows of what was done before are in the table.
    """
    if pool is None:
        with DecodePool() as own:
            return run(catalog, work, pool=own, limit=limit, progress=progress)
    ensure_table(catalog, work.table)
    steps = _steps(catalog, work, pool)
    report = Report()
    started = time.monotonic()
    rows = _Rows(catalog, work)
    try:
        with (
            closing(missing(catalog, work, steps.reader_version)) as items,
            closing(_side_by_side(steps, items, limit)) as finished,
        ):
            for done in finished:
                rows.add(done.row)
                report.count(done)
                report.duration_s = time.monotonic() - started
                progress(report)
    finally:
        rows.flush()
    report.duration_s = time.monotonic() - started
    return report


def _steps(catalog: Catalog, work: Work, pool: DecodePool) -> Steps:
    source = get_source(catalog, work.source_id)
    access = source.access(catalog.access)
    location = catalog.derivatives_location(work.source_id)
    return Steps(
        work=work,
        reader=ObjectReader(access, source.bucket, connections=_THREADS),
        pool=pool,
        target=open_documents(location, catalog.access),
        target_uri=location.uri.rstrip("/"),
        reader_version=pool.reader_version,
        memory=ByteBudget(_IN_FLIGHT_BYTES),
        disk=ByteBudget(2 * pool.limits.max_input_bytes),
    )


def _side_by_side(
    steps: Steps, items: Iterator[Item], limit: int | None
) -> Generator[Done, None, None]:
    """Handle objects in threads, and give what is done in whatever order it gets done."""
    running: set[Future[Done]] = set()
    left = limit
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="imaging") as threads:
        try:
            while True:
                while len(running) < 2 * _THREADS and left != 0:
                    item = next(items, None)
                    if item is None:
                        left = 0
                        break
                    running.add(threads.submit(steps.handle, item))
                    left = None if left is None else left - 1
                if not running:
                    return
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                yield from _results(finished)
        finally:
            for future in running:
                future.cancel()


def _results(finished: set[Future[Done]]) -> Iterator[Done]:
    """Good results first, so that an error loses none of them."""
    failed: list[BaseException] = []
    for future in finished:
        error = future.exception()
        if error is None:
            yield future.result()
        else:
            failed.append(error)
    for error in failed:
        if isinstance(error, TargetFailed) and error.__cause__ is not None:
            raise error.__cause__
        raise error


class _Rows:
    """Rows on their way to the table, in commits that are neither many nor far apart."""

    def __init__(self, catalog: Catalog, work: Work) -> None:
        self._catalog = catalog
        self._work = work
        self._waiting: list[dict[str, Any]] = []
        self._committed_at = time.monotonic()

    def add(self, row: dict[str, Any]) -> None:
        self._waiting.append(row)
        overdue = time.monotonic() - self._committed_at > _SECONDS_PER_COMMIT
        if overdue or len(self._waiting) >= _ROWS_PER_COMMIT:
            self.flush()

    def flush(self) -> None:
        rows, self._waiting = self._waiting, []
        append_rows(self._catalog, self._work.table, self._work.source_id, rows)
        self._committed_at = time.monotonic()
