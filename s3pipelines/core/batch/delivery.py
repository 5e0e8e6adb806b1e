"""Bringing the objects of a chunk to their targets, with every precondition that the plan names."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from s3pipelines.core.batch.actions.action import Chunk
from s3pipelines.core.batch.changes import Changes
from s3pipelines.core.batch.copying import (
    copy_object,
    errand_of,
    goes_in_parts,
    put_tags_again,
    states_condition,
)
from s3pipelines.core.batch.looking import Looks, Seen, look_at
from s3pipelines.core.batch.outcomes import failed, not_as_planned
from s3pipelines.core.batch.rows import Outcome, Precondition, Row
from s3pipelines.core.batch.sites import Site, Sites
from s3pipelines.core.batch.trash import keep_in_trash, kept_before
from s3pipelines.core.batch.verifying import same_bytes
from s3pipelines.core.errors import PreconditionFailed, StorageError
from s3pipelines.core.storage.verbs.head import head


@dataclass(frozen=True)
class Delivered:
    """A row whose target holds its bytes now.

    Attributes:
        row: The row.
        etag: ETag of the target.
        precondition: How it was made sure that both were as planned.
        facts: What an undo needs: `made` (ETag and version of the target), `replaced`.
        is_noted: An earlier process had verified it, and noted that before it went on.
    """

    row: Row
    etag: str
    precondition: Precondition | None
    facts: dict[str, Any] = field(default_factory=dict)
    is_noted: bool = False


async def deliver(
    sites: Sites, chunk: Chunk, changes: Changes
) -> tuple[list[Delivered], list[Outcome]]:
    """Copy each object of a chunk to its target.

    Returns:
        What arrived, and outcomes for the rest.

    Raises:
        StorageError: Nothing can be done at all, for no row.
    """
    looks = await _look(sites, chunk.rows)
    courier = _Courier(sites, chunk, changes, looks)
    ended = await asyncio.gather(*map(courier.deliver, chunk.rows))
    arrived = [one for one in ended if isinstance(one, Delivered)]
    return arrived, [one for one in ended if isinstance(one, Outcome)]


@dataclass(frozen=True)
class _Looks:
    """What had to be looked at, as the server does not compare it; None where it does."""

    originals: Looks | None
    targets: Looks | None


async def _look(sites: Sites, rows: list[Row]) -> _Looks:
    by_server = sites.by_server(sites.source, sites.target)
    compares_origin = not by_server or sites.target.facts.enforced.copy_source_if_match
    originals = targets = None
    if not compares_origin:
        originals = await _seen(sites.source, (row.key for row in rows))
    if not all(_compares_target(sites.target, row, by_server) for row in rows):
        targets = await _seen(sites.target, (row.target or "" for row in rows))
    return _Looks(originals, targets)


def _compares_target(target: Site, row: Row, by_server: bool) -> bool:
    in_parts = goes_in_parts(row.size_bytes, row.etag, by_server=by_server)
    return states_condition(target, row.target_etag, by_server=by_server, in_parts=in_parts)


async def _seen(site: Site, keys: Iterable[str]) -> Looks:
    return await look_at(site.client, site.facts.location, list(keys))


class _Courier:
    def __init__(self, sites: Sites, chunk: Chunk, changes: Changes, looks: _Looks) -> None:
        self._sites = sites
        self._chunk = chunk
        self._changes = changes
        self._looks = looks

    async def deliver(self, row: Row) -> Delivered | Outcome:
        try:
            wrong = self._not_as_planned(row)
            if wrong is not None:
                return await self._recognised(row) or wrong
            return await self._copied(row)
        except PreconditionFailed as error:
            return await self._why_refused(row, error)
        except StorageError as error:
            return failed(row, error)

    def _not_as_planned(self, row: Row) -> Outcome | None:
        if self._looks.originals is not None:
            wrong = wrong_original(row, self._looks.originals[row.key])
            if wrong is not None:
                return wrong
        if self._looks.targets is not None:
            return wrong_target(row, self._looks.targets[row.target or ""])
        return None

    async def _copied(self, row: Row) -> Delivered:
        sites, kept = self._sites, None
        if row.target_etag is not None:
            kept = await self._kept(row, row.target_etag)
        copied = await copy_object(sites, errand_of(sites, row, self._changes))
        facts: dict[str, Any] = {"made": [copied.etag, copied.version_id]}
        if row.target_etag is not None:
            facts["replaced"] = [row.target_etag, kept]
        return Delivered(row, copied.etag, self._how(row), facts)

    async def _kept(self, row: Row, etag: str) -> str | None:
        """What is about to be replaced, in the trash if the bucket would not keep it."""
        key = row.target or ""
        now = await head(self._sites.target.client, key)
        if now is None or now.etag != etag:
            raise PreconditionFailed(f"The target {key} is not as planned.", hint="Plan it anew.")
        return await keep_in_trash(self._sites, self._sites.target, row, key, etag, now.size_bytes)

    def _how(self, row: Row) -> Precondition:
        looks, target = self._looks, row.target or ""
        if looks.originals is None and looks.targets is None:
            return "native"
        seen = [
            looks.originals and looks.originals[row.key],
            looks.targets and looks.targets[target],
        ]
        return "head" if any(one is not None and one.by == "head" for one in seen) else "listing"

    async def _why_refused(self, row: Row, error: PreconditionFailed) -> Delivered | Outcome:
        """The server refused: the object or its target is not as planned, or both are ours.

        A copy whose answer was lost is tried again, and then refused because of itself.
        """
        try:
            known = await self._recognised(row, retried=error.retried)
            if known is not None:
                return known
            original = (await _seen(self._sites.source, [row.key]))[row.key]
            target = (await _seen(self._sites.target, [row.target or ""]))[row.target or ""]
        except StorageError as second:
            return failed(row, second)
        return wrong_original(row, original) or wrong_target(row, target) or failed(row, error)

    async def _recognised(self, row: Row, *, retried: bool = False) -> Delivered | None:
        """The target that this plan brought already, where an answer or a process was lost."""
        if not (retried or self._chunk.is_doubtful(row)):
            return None
        target, key = self._sites.target, row.target or ""
        noted = self._chunk.noted.get(row.number, {})
        seen = (await _seen(target, [key]))[key]
        if seen is None:
            return None
        if noted.get("made", [None])[0] == seen.etag:
            return Delivered(row, seen.etag, seen.by, noted, is_noted=True)
        source = self._sites.source
        same = seen.size_bytes == row.size_bytes and await same_bytes(
            source, row.key, row.etag, row.size_bytes, target, key, seen.etag
        )
        if not same:
            return None
        await put_tags_again(self._sites, errand_of(self._sites, row, self._changes))
        found = await head(target.client, key)
        facts: dict[str, Any] = {"made": [seen.etag, found and found.version_id]}
        if row.target_etag is not None:
            # It was kept before it was replaced, or the target would not be as the plan wants it.
            facts["replaced"] = [row.target_etag, await kept_before(self._sites, row, key)]
        return Delivered(row, seen.etag, seen.by, facts)


def wrong_original(row: Row, now: Seen | None) -> Outcome | None:
    """What is said of a row whose object is not as planned; None if it is."""
    if now is None:
        return not_as_planned(row, "gone", f"{row.key} was deleted since the plan was made.")
    if now.etag != row.etag:
        return not_as_planned(row, "changed", f"{row.key} was overwritten since the plan was made.")
    return None


def wrong_target(row: Row, now: Seen | None) -> Outcome | None:
    """What is said of a row whose target is not as planned; None if it is."""
    there = now and now.etag
    if there == row.target_etag:
        return None
    if row.target_etag is None:
        return not_as_planned(row, "exists", f"The target {row.target} exists by now.")
    what = "overwritten" if there else "deleted"
    return not_as_planned(
        row, "target_changed", f"The target {row.target} was {what} since the plan was made."
    )
