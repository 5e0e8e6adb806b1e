"""What of the ledger is still to be done for a source: a small document beside the ledger.

It says between which versions of the ledger a source has something open, so that nobody searches
the whole ledger for it. Whoever appends to the ledger notes it here before the message is deleted
that it came from; whoever applies the ledger settles it afterwards. Both are compare-and-swap.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, ValidationError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import AlreadyExists, Busy, Gone, PreconditionFailed
from s3pipelines.core.sources.source import Source

_ATTEMPTS = 20
# A run that was requested needs so long to be seen as queued by another sensor.
_REQUESTED_FOR = timedelta(seconds=15)


class Pending(BaseModel):
    """What is open of one source.

    Attributes:
        generation: The registration that it belongs to.
        first: The first version of the ledger with something open.
        last: The last one.
        hints: How many hints were noted that nobody has asked S3 about.
        since: When the oldest of these was noted; None if there is none.
        waiting: Objects that have not settled, or that S3 gave no answer about.
        due_at: When the first of these is to be asked about again.
        requested: The version of the ledger that a run was last requested for.
        attempt: How many times one was requested for that version.
        requested_at: When one was requested last.
    """

    model_config = ConfigDict(frozen=True)

    generation: str
    first: int
    last: int
    hints: int = 0
    since: datetime | None = None
    waiting: int = 0
    due_at: datetime | None = None
    requested: int = -1
    attempt: int = 0
    requested_at: datetime | None = None

    @property
    def is_idle(self) -> bool:
        """Nothing is to be asked about, now or later."""
        return not self.hints and not self.waiting

    def is_ripe(self, now: datetime, least_age_s: float, least_hints: int) -> bool:
        """Whether a batch is worth a run: old enough, large enough, or waited for long enough."""
        if self.hints and self.since is not None:
            old = now - self.since >= timedelta(seconds=least_age_s)
            if old or self.hints >= least_hints:
                return True
        return self.due_at is not None and self.due_at <= now


def pending_document(source_id: str) -> str:
    """Name of the document that holds what is open of a source."""
    return f"pending/{source_id}.json"


def read_pending(catalog: Catalog, source: Source) -> Pending | None:
    """What is open of this registration of the source, or None."""
    return _read(catalog, source)[0]


def note_hints(catalog: Catalog, source: Source, version: int, hints: int, at: datetime) -> None:
    """Note that a commit of the ledger brought hints for a source, or is to bring changes.

    Raises:
        StorageError: The catalog cannot be written; the hints must be delivered again.
    """

    def noted(known: Pending | None) -> Pending:
        if known is None:
            since = at if hints else None
            return Pending(
                generation=source.generation, first=version, last=version, hints=hints, since=since
            )
        return known.model_copy(
            update={
                "first": min(known.first, version),
                "last": max(known.last, version),
                "hints": known.hints + hints,
                "since": known.since or (at if hints else None),
            }
        )

    _update(catalog, source, noted)


def next_attempt(catalog: Catalog, source: Source, now: datetime) -> Pending | None:
    """Count a run that is about to be requested, so that each one has a key of its own.

    Dagster drops a run whose key it has seen, also if that run failed. So the key names the
    version of the ledger and the attempt, which is counted here and not in Dagster.

    Returns:
        None if there is nothing to do any more, or another sensor was faster.
    """
    faster = False

    def counted(known: Pending | None) -> Pending | None:
        nonlocal faster
        faster = False
        if known is None:
            return None
        again = known.requested == known.last
        if again and _is_recent(known, now):
            faster = True
            return known
        attempt = known.attempt + 1 if again else 1
        update = {"requested": known.last, "attempt": attempt, "requested_at": now}
        return known.model_copy(update=update)

    counted_now = _update(catalog, source, counted)
    return None if faster else counted_now


def _is_recent(known: Pending, now: datetime) -> bool:
    # Both ways: the clock of another machine may be ahead.
    return known.requested_at is not None and abs(now - known.requested_at) < _REQUESTED_FOR


def settle(
    catalog: Catalog,
    source: Source,
    seen: Pending,
    up_to: int,
    still_open: Pending | None,
    *,
    own: int = -1,
    at: datetime | None = None,
) -> None:
    """Say what is left after the ledger was worked through.

    Args:
        catalog: Where the document is.
        source: The source.
        seen: What was open before.
        up_to: Every hint up to this version of the ledger is answered.
        still_open: What waits on, or None.
        own: The last version that the caller noted itself since, for what is applied by now.
        at: When `seen` was read; what is left was noted since.
    """

    def settled(known: Pending | None) -> Pending | None:
        # Noted only after `seen` was read, for a commit before all that was worked through.
        overlooked = known is not None and known.first < seen.first
        nobody_else = known is not None and known.last <= own and known.hints == seen.hints
        if known is None or ((known.last <= up_to or nobody_else) and not overlooked):
            return _counted_on(still_open, known)
        more = still_open or Pending(generation=source.generation, first=up_to + 1, last=up_to)
        more = more.model_copy(
            update={
                # What waits may have been answered after hints came that nobody has looked at.
                "first": min(more.first, known.first if overlooked else up_to + 1),
                "last": max(more.last, known.last),
                "hints": max(1, known.hints - seen.hints),
                "since": at or known.since,
            }
        )
        return _counted_on(more, known)

    _update(catalog, source, settled)


def _counted_on(pending: Pending | None, known: Pending | None) -> Pending | None:
    """The same with the requests that were counted so far: no key may be used twice."""
    if pending is None or known is None:
        return pending
    counted = {name: getattr(known, name) for name in ("requested", "attempt", "requested_at")}
    return pending.model_copy(update=counted)


def _update(
    catalog: Catalog, source: Source, change: Callable[[Pending | None], Pending | None]
) -> Pending | None:
    documents, name = catalog.documents, pending_document(source.id)
    for _ in range(_ATTEMPTS):
        known, tag = _read(catalog, source)
        wanted = change(known)
        if wanted == known:
            return known
        body = wanted.model_dump_json().encode() if wanted else b"null"
        try:
            if tag is None:
                documents.create(name, body)
            else:
                documents.replace(name, body, tag)
        except (AlreadyExists, PreconditionFailed):
            continue  # Somebody was faster, or the answer was lost: look again.
        return wanted
    raise Busy(
        f"What is pending of {source.id!r} was changed {_ATTEMPTS} times in a moment.",
        hint="Run it again.",
    )


def _read(catalog: Catalog, source: Source) -> tuple[Pending | None, str | None]:
    try:
        document = catalog.documents.read(pending_document(source.id))
    except Gone:
        return None, None
    try:
        known = Pending.model_validate_json(document.body)
    except ValidationError:
        return None, document.tag
    return (known if known.generation == source.generation else None), document.tag
