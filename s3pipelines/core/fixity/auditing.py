"""An audit: objects are read again, and compared with all that is known of them.

Known are S3's own ETag and checksums, the SHA-256 that was noted when the object was registered or
first audited, and its size. It may be killed anywhere: what was read by then is in the table
`audits`, a few seconds of work aside, and the next audit goes on with the others.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.downloading import RANGE_BYTES, Progress
from s3pipelines.core.datasets.members import Member, select_members
from s3pipelines.core.datasets.originals import covered_version, no_longer
from s3pipelines.core.datasets.room import MemoryRoom
from s3pipelines.core.datasets.states import SourceState, source_state
from s3pipelines.core.datasets.workers import OF_ALL_OBJECTS, work_through
from s3pipelines.core.errors import (
    AccessDenied,
    Archived,
    Gone,
    InvalidInput,
    PreconditionFailed,
    StorageError,
)
from s3pipelines.core.fixity.audit_rows import AuditRows
from s3pipelines.core.fixity.due import Due, Sample, due_objects
from s3pipelines.core.fixity.outcomes import Audit, Audited, Outcome
from s3pipelines.core.fixity.rereading import Reading, Rereader
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place

_OBJECTS_AT_A_TIME = 64
_REQUESTS_AT_A_TIME = 64
_MOST_IN_MEMORY = 256 * 1024 * 1024
_OUTCOMES: tuple[tuple[type[StorageError], Outcome], ...] = (
    (Gone, "missing"),
    (PreconditionFailed, "changed"),
    (Archived, "archived"),
    (AccessDenied, "denied"),
)
_WORDS = {
    "size": "its size",
    "etag": "its ETag",
    "checksum": "S3's checksum",
    "audit": "the SHA-256 that was noted in the catalog",
    "noted_sha256": "the SHA-256 in its metadata",
}


@dataclass(frozen=True)
class Wanted:
    """What is to be audited.

    Attributes:
        name: The source, or `ID@VERSION`.
        selection: Which of its objects.
        sample: Which share of them.
        budget_bytes: So much is read at most; one object at least is. None: all of them.
        budget_s: After so many seconds no other object is begun; None: no bound.
        range_bytes: What is larger is read in ranges of this size.
    """

    name: str
    selection: Selection = field(default_factory=Selection)
    sample: Sample = field(default_factory=Sample)
    budget_bytes: int | None = None
    budget_s: float | None = None
    range_bytes: int = RANGE_BYTES

    def __post_init__(self) -> None:
        if (self.budget_bytes or 0) < 0 or (self.budget_s or 0) < 0:
            raise InvalidInput("A budget is negative.", hint="Give what may be spent.")


def audit(catalog: Catalog, wanted: Wanted, progress: Progress | None = None) -> Audit:
    """Read the chosen objects again, those first that were not read for longest.

    Raises:
        NotFound: There is no such source, or version of it.
        InvalidInput: The selection is wrong.
        StorageError: The bucket, or the catalog, cannot be used at all.
    """
    state, progress = source_state(catalog, wanted.name), progress or Progress()
    done = Audit(wanted.name, wanted.sample.seed)
    place = bucket_place(state.source.access(catalog.access), state.source.bucket)
    rows = AuditRows(catalog, state.source.id)
    with (
        select_members(catalog, state, wanted.selection) as members,
        due_objects(catalog, state.source.id, members, wanted.sample) as due,
        LoopThread() as loop,
    ):
        done.due, done.due_bytes = due.objects, due.size_bytes
        progress.begin(min(due.size_bytes, wanted.budget_bytes or due.size_bytes))
        client = BucketClient(place, most_in_flight=_REQUESTS_AT_A_TIME)
        work = _Work(state, wanted, rows, done, progress.advance)
        try:
            loop.run(work.run(client, iter(due)))
        finally:
            # Also when it is interrupted: what was read is known.
            rows.write()
    done.told.sort(key=lambda one: one.key)
    return done


class _Work:
    def __init__(
        self,
        state: SourceState,
        wanted: Wanted,
        rows: AuditRows,
        done: Audit,
        advance: Callable[[int], object],
    ) -> None:
        self._state = state
        self._wanted = wanted
        self._rows = rows
        self._done = done
        self._advance = advance
        self._spent_bytes = 0
        self._writing = asyncio.Lock()

    async def run(self, client: BucketClient, due: Iterator[Due]) -> None:
        async with client:
            self._client = client
            room = MemoryRoom(_MOST_IN_MEMORY)
            self._rereader = Rereader(client, room, self._wanted.range_bytes)
            await work_through(self._within_budget(due), self._audit, _OBJECTS_AT_A_TIME)

    def _within_budget(self, due: Iterator[Due]) -> Iterator[Due]:
        """Those for which there is something left; the first one that is too large ends it.

        To pass over it would leave large objects for ever.
        """
        wanted, started = self._wanted, time.monotonic()
        for number, one in enumerate(due):
            would_have_spent = self._spent_bytes + one.member.size_bytes
            too_much = wanted.budget_bytes is not None and would_have_spent > wanted.budget_bytes
            late = wanted.budget_s is not None and time.monotonic() - started > wanted.budget_s
            if number and (late or (too_much and self._spent_bytes)):
                self._done.budget_used_up = True
                return
            self._spent_bytes = would_have_spent
            yield one

    async def _audit(self, due: Due) -> None:
        audited = await self._audited(due)
        if audited.size_bytes is None:
            self._spent_bytes -= due.member.size_bytes
        self._done.take(audited)
        self._advance(due.member.size_bytes)
        if self._rows.take(audited):
            async with self._writing:
                await asyncio.to_thread(self._rows.write)

    async def _audited(self, due: Due) -> Audited:
        member = due.member
        try:
            reading = await self._read(due)
        except OF_ALL_OBJECTS:
            raise
        except StorageError as error:
            outcome = _outcome_of(error)
            return Audited(
                member.key,
                member.etag,
                outcome,
                known_sha256=due.known_sha256,
                detail=str(error),
            )
        return _told(due, reading)

    async def _read(self, due: Due) -> Reading:
        """Read an object; a second time if it is not right, as its way here may be at fault."""
        version_id, sha256 = None, due.known_sha256
        try:
            reading = await self._rereader.read(due.member, None, sha256)
        except (PreconditionFailed, Gone) as error:
            if self._state.version is None:
                raise
            version_id = await self._covered(due.member, error)
            reading = await self._rereader.read(due.member, version_id, sha256)
        if reading.proofs is None and reading.sha256 is not None:
            reading = await self._rereader.read(due.member, version_id, sha256)
        return reading

    async def _covered(self, member: Member, error: PreconditionFailed | Gone) -> str:
        """The version of the key that is the member of a version of the source."""
        version_id = member.version_id or await covered_version(self._client, member)
        if version_id is None:
            raise no_longer(member, error, self._state.name) from error
        return version_id


def _outcome_of(error: StorageError) -> Outcome:
    for kind, outcome in _OUTCOMES:
        if isinstance(error, kind):
            return outcome
    return "failed"


def _told(due: Due, reading: Reading) -> Audited:
    member = due.member
    audited = Audited(
        member.key,
        member.etag,
        "mismatch",
        reading.size_bytes,
        reading.sha256,
        due.known_sha256,
        reading.disagreeing,
    )
    if reading.proofs is None:
        wrong = ", ".join(_WORDS.get(name, name) for name in reading.disagreeing)
        return replace(audited, detail=f"Its bytes do not agree with {wrong}.")
    only_size = reading.proofs == ("size",)
    return replace(
        audited,
        outcome="unknown" if only_size else "ok",
        known_sha256=due.known_sha256 or reading.sha256,
        proofs=reading.proofs,
        detail="There was nothing to compare with; its SHA-256 is noted." if only_size else None,
    )
