"""Going through a source: headers, thumbnails or pyramids of all its objects that lack them.

A run may be killed at any time. Files are written before their rows, and under names that follow
from what they show; so what has no row yet is simply made again, to the same place.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.errors import AccessDenied, NotFound, StorageError, Unreachable
from s3pipelines.core.imaging.codecs import require_codec
from s3pipelines.core.imaging.fetching import ByteBudget, TargetFailed
from s3pipelines.core.imaging.making import HeaderMaker, Maker, Means, ThumbnailMaker
from s3pipelines.core.imaging.missing import missing
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.imaging.pyramid_making import PyramidMaker
from s3pipelines.core.imaging.report import Report
from s3pipelines.core.imaging.steps import Done, Steps
from s3pipelines.core.imaging.tag_rows import TagRows
from s3pipelines.core.imaging.wishes import Item, Work
from s3pipelines.core.sources.deletion import DERIVED_FOLDERS
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.derived_files import open_derived_files
from s3pipelines.core.storage.outputs import open_outputs, remove_outputs
from s3pipelines.core.storage.ranged_reads import ObjectReader

__all__ = ["Report", "run"]

# Requests wait for the network most of their time; decoding is bounded by the pool.
_THREADS = 32
_IN_FLIGHT_BYTES = 256 * 1024 * 1024
# A slice ends with a commit, and the question what is missing: about a second for a million
# objects. A killed run makes again what it had not committed, and arrivals wait so long at most.
_SLICE_OBJECTS = 5000
_SLICE_S = 20
# More than a few odd objects, fewer than a slice.
_UNANSWERED = 64


def run(
    catalog: Catalog,
    work: Work,
    *,
    pool: DecodePool | None = None,
    budget_s: float | None = None,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Work on every object that lacks a current row; each gets exactly one row.

    It goes slice by slice, and asks anew what is missing after each. The newest objects of the
    index come first, so what arrives meanwhile does not wait for a long backfill to end.

    Args:
        catalog: Where the registry and the tables are.
        work: What is wanted of which objects.
        pool: Where images are decoded; by default one of this machine's size, for this run.
        budget_s: Begin with nothing more after so many seconds; what is left is still missing.
        progress: Is told how far it is after each object.

    Raises:
        InvalidInput: The selection is wrong.
        NotFound: There is no such source.
        StorageError: The source, the catalog or the place for derivatives cannot be used. The
            rows of what was done before are in the table.
    """
    if pool is None:
        with DecodePool(work.limits) as own:
            return run(catalog, work, pool=own, budget_s=budget_s, progress=progress)
    if work.kind == "pyramid":
        require_codec(work.pyramid.compression, pool)
    ensure_table(catalog, work.table)
    source = get_source(catalog, work.source_id)
    steps = _steps(catalog, work, source, pool)
    report, since = Report(), datetime.now(UTC)
    started = time.monotonic()
    deadline = started + (budget_s or math.inf)
    while (limit := _next_slice(work, report)) and time.monotonic() < deadline:
        before = report.objects
        until = min(time.monotonic() + _SLICE_S, deadline)
        tags = TagRows(work)
        with _committed(catalog, work, source, tags) as rows:
            items = missing(catalog, work, steps.reader_version, since=since, limit=limit)
            with closing(items), closing(_side_by_side(steps, items, until)) as finished:
                for done in finished:
                    rows += done.rows
                    tags.add(done)
                    report.count(done)
                    report.duration_s = time.monotonic() - started
                    progress(report)
                    _require_some_answer(report)
        report.complete = report.objects == before
        if report.complete:
            break
    report.duration_s = time.monotonic() - started
    return report


def _require_some_answer(report: Report) -> None:
    """End a run that gets nothing from the storage, before that is written onto every object.

    The rows of those that were tried stay, so that the next run tries others: it may be only these
    that nobody may read.
    """
    if report.objects != _UNANSWERED or report.failures != _UNANSWERED:
        return
    refused: dict[str, type[StorageError]] = {
        "access_denied": AccessDenied,
        "unreachable": Unreachable,
    }
    if set(report.failed) <= set(refused):
        first = report.examples[0]
        raise refused[first.reason](
            f"None of the first {_UNANSWERED} objects could be read ({first.detail}).",
            hint="Check that the source can be reached, and that its objects may be read.",
        )


def _next_slice(work: Work, report: Report) -> int:
    limit = work.selection.limit
    return _SLICE_OBJECTS if limit is None else min(_SLICE_OBJECTS, limit - report.objects)


@contextmanager
def _committed(
    catalog: Catalog, work: Work, source: Source, tags: TagRows
) -> Iterator[list[dict[str, Any]]]:
    """Rows that are in the table in one commit at the end, also if that is an error.

    Raises:
        NotFound: The source was deleted meanwhile, and all that was made of it; a row would say
            of a thumbnail that it is there.
    """
    rows: list[dict[str, Any]] = []
    try:
        yield rows
    finally:
        try:
            present = get_source(catalog, source.id)
        except NotFound:
            # What was made of it was removed, and some was written since.
            for folder in DERIVED_FOLDERS:
                remove_outputs(catalog.derivatives_location(source.id), catalog.access, folder)
            raise
        if present.generation != source.generation:
            raise NotFound(
                f"The source {source.id!r} was registered anew meanwhile.", hint="Start again."
            )
        append_rows(catalog, work.table, rows)
        tags.commit(catalog)


def _steps(catalog: Catalog, work: Work, source: Source, pool: DecodePool) -> Steps:
    access = source.access(catalog.access)
    reader = ObjectReader(access, source.bucket, connections=_THREADS)
    return Steps(work, reader, _maker(catalog, work, pool), pool.reader_version)


def _maker(catalog: Catalog, work: Work, pool: DecodePool) -> Maker:
    location = catalog.derivatives_location(work.source_id)
    means = Means(
        work=work,
        pool=pool,
        target_uri=location.uri.rstrip("/"),
        memory=ByteBudget(_IN_FLIGHT_BYTES),
        disk=ByteBudget(2 * pool.limits.max_input_bytes),
    )
    if work.kind == "header":
        return HeaderMaker(means)
    if work.kind == "thumbnail":
        return ThumbnailMaker(means, open_outputs(location, catalog.access, connections=_THREADS))
    files = open_derived_files(location, catalog.access, connections=_THREADS)
    return PyramidMaker(means, files)


def _side_by_side(steps: Steps, items: Iterator[Item], until: float) -> Generator[Done, None, None]:
    """Handle objects in threads, and give what is done in whatever order it gets done.

    No object is begun after `until`, by the monotonic clock, but for the first one.
    """
    running: set[Future[Done]] = set()
    # Not `wait`, which puts a waiter into all 64 at each call: 0.4 ms an image.
    ended: SimpleQueue[Future[Done]] = SimpleQueue()
    more = True
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="imaging") as threads:
        try:
            while True:
                while more and len(running) < 2 * _THREADS:
                    item = next(items, None)
                    if item is None:
                        more = False
                        break
                    future = threads.submit(steps.handle, item)
                    running.add(future)
                    future.add_done_callback(ended.put)
                    more = time.monotonic() < until
                if not running:
                    return
                finished = {ended.get(), *(ended.get() for _ in range(ended.qsize()))}
                running -= finished
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
