"""Working through one shard of a plan: chunk by chunk, several at a time, outcomes as they come."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from s3pipelines.core.batch.actions import action_of
from s3pipelines.core.batch.actions.action import Action, Chunk
from s3pipelines.core.batch.applications import Opened, require_current, shard_lease
from s3pipelines.core.batch.derivative_rows import DerivativeRows
from s3pipelines.core.batch.journal import Journal, Noted, Notes
from s3pipelines.core.batch.manifests import batches_of, local_manifest
from s3pipelines.core.batch.operations import Operations, progress_of
from s3pipelines.core.batch.operations import Progress as Known
from s3pipelines.core.batch.outcomes import skipped
from s3pipelines.core.batch.plans import Shard
from s3pipelines.core.batch.rows import Outcome, rows_of
from s3pipelines.core.batch.sites import Sites, open_sites
from s3pipelines.core.batch.tag_rows import TagRows
from s3pipelines.core.batch.telling import Telling
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.storage.http.loops import LoopThread, imports_put_aside
from s3pipelines.core.storage.leases import Lease, hold

_CHUNKS_AT_A_TIME = 10
# Outcomes reach the table after so many rows, or so long: what a killed process leaves in doubt.
_COMMIT_ROWS = 5000
_COMMIT_AFTER_S = 10.0
_LEASE_WAIT_S = 60.0
Progress = Callable[[int], object]


@dataclass
class ShardTally:
    """How many rows of a shard ended how in this process."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    before: int = 0

    def add(self, outcomes: list[Outcome]) -> None:
        """Count some outcomes."""
        for outcome in outcomes:
            setattr(self, outcome.result, getattr(self, outcome.result) + 1)


def run_shard(
    catalog: Catalog, opened: Opened, shard: Shard, progress: Progress = lambda _: None
) -> ShardTally:
    """Carry out the rows of a shard that are not done yet.

    One process at a time works on a shard; it may be killed anywhere, and the next one goes on.

    Args:
        catalog: Where the plan is.
        opened: The application.
        shard: The shard.
        progress: Is told how many more rows have an outcome.

    Raises:
        Busy: Another process works on it, or the plan was opened again since.
        PreconditionFailed: This process was paused for so long that another one took over.
        StorageError: A bucket, or the catalog, cannot be used; what was done is noted.
    """
    plan, epoch = opened.plan, opened.application.epoch
    purpose = f"Shard {shard.number} of plan {plan.id}"
    lease_name = shard_lease(plan, shard)
    with (
        hold(catalog.documents, lease_name, purpose, wait_s=_LEASE_WAIT_S) as lease,
        imports_put_aside(),
        LoopThread() as loop,
    ):
        require_current(catalog, plan.id, epoch)
        work = _ShardWork(catalog, opened, shard, lease, progress)
        loop.run(work.run())
        return work.tally


@dataclass
class _Waiting:
    """Outcomes on their way into the table, with the notes that they make superfluous."""

    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[Notes] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    @property
    def is_due(self) -> bool:
        old = time.monotonic() - self.since > _COMMIT_AFTER_S
        return len(self.outcomes) >= _COMMIT_ROWS or (bool(self.outcomes) and old)


class _ShardWork:
    def __init__(
        self, catalog: Catalog, opened: Opened, shard: Shard, lease: Lease, progress: Progress
    ) -> None:
        self._catalog = catalog
        self._opened = opened
        self._shard = shard
        self._lease = lease
        self._progress = progress
        self._action: Action = action_of(opened.plan)
        self._operations = Operations(catalog, opened.plan, opened.application)
        self._tags = TagRows(catalog, opened.plan, self._action)
        self._derivatives = DerivativeRows(catalog, opened.plan)
        self._telling = Telling(catalog, opened.plan, self._action, opened.source)
        self._journal = Journal(
            catalog, opened.plan.id, shard.number, opened.application.epoch, lease.confirm
        )
        self.tally = ShardTally()

    async def run(self) -> None:
        opened = self._opened
        plan, facts = opened.plan, opened.application.facts
        known = await asyncio.to_thread(progress_of, self._catalog, plan, self._shard)
        self.tally.before = len(known.finished)
        self._progress(len(known.finished))
        noted = await asyncio.to_thread(self._journal.read)
        with local_manifest(self._catalog, plan, self._shard) as path:
            batches = batches_of(path, self._action.chunk_rows)
            chunks = self._chunks(batches, known, noted)
            async with (
                open_sites(self._catalog, opened.source, plan, facts, opened.places) as sites,
                self._action.at_work(),
            ):
                await self._work_through(sites, chunks)
        await asyncio.to_thread(self._journal.clear)

    def _chunks(
        self, batches: Iterator[pa.RecordBatch], known: Known, noted: Noted
    ) -> Iterator[Chunk]:
        facts = known.facts | noted.facts
        for number, batch in enumerate(batches):
            rows = [row for row in rows_of(batch) if row.number not in known.finished]
            if rows:
                numbers = {row.number for row in rows}
                yield Chunk(
                    rows,
                    self._journal.chunk(number),
                    (noted.begun | known.facts.keys()) & numbers,
                    {n: fact for n, fact in facts.items() if n in numbers},
                )

    async def _work_through(self, sites: Sites, chunks: Iterator[Chunk]) -> None:
        """Some chunks at a time; the first error ends it, after what is done was written."""
        running: set[asyncio.Task[tuple[Chunk, list[Outcome]]]] = set()
        waiting, error = _Waiting(), None
        commit: asyncio.Task[None] | None = None
        while error is None:
            while len(running) < _CHUNKS_AT_A_TIME and (chunk := next(chunks, None)) is not None:
                running.add(asyncio.create_task(self._carried_out(sites, chunk)))
            if not running:
                break
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            error = _take_in(done, waiting)
            if waiting.is_due:
                # While it goes on, the next chunks are under way; one after the other, as the
                # order of the notes wants it.
                error = await _ended(commit) or error
                commit, waiting = asyncio.create_task(self._commit(waiting)), _Waiting()
        if running:
            # What they have begun is finished, so that its outcome is known.
            error = _take_in((await asyncio.wait(running))[0], waiting) or error
        error = await _ended(commit) or error
        await self._commit(waiting)
        if error is not None:
            raise error

    async def _carried_out(self, sites: Sites, chunk: Chunk) -> tuple[Chunk, list[Outcome]]:
        wanted = [row for row in chunk.rows if row.verdict is None]
        left_out = [skipped(row) for row in chunk.rows if row.verdict is not None]
        if not wanted:
            return chunk, left_out
        await chunk.notes.begin(wanted)
        part = Chunk(wanted, chunk.notes, chunk.doubtful, chunk.noted)
        return chunk, left_out + await self._action.carry_out(sites, part)

    async def _commit(self, waiting: _Waiting) -> None:
        if waiting.outcomes:
            await asyncio.to_thread(self._commit_now, waiting.outcomes)
        for notes in waiting.notes:
            await notes.clear()

    def _commit_now(self, outcomes: list[Outcome]) -> None:
        application = self._opened.application
        self._lease.confirm()
        require_current(self._catalog, application.plan_id, application.epoch)
        # First: a hint too many does no harm, and one too few leaves the index behind.
        self._telling.tell(outcomes, application.epoch)
        self._tags.append(outcomes)
        self._derivatives.append(outcomes)
        self._operations.append(outcomes)
        self.tally.add(outcomes)
        self._progress(len(outcomes))


async def _ended(commit: "asyncio.Task[None] | None") -> BaseException | None:
    """Wait for a commit, if there is one; what went wrong with it."""
    if commit is None:
        return None
    await asyncio.wait({commit})
    return commit.exception()


def _take_in(
    done: set[asyncio.Task[tuple[Chunk, list[Outcome]]]], waiting: _Waiting
) -> BaseException | None:
    error = None
    for task in done:
        if (raised := task.exception()) is not None:
            error = error or raised
            continue
        chunk, outcomes = task.result()
        waiting.outcomes += outcomes
        waiting.notes.append(chunk.notes)
    return error
