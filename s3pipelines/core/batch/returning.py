"""Taking copies back: the originals return, the copies go, and what these had replaced returns."""

import asyncio
import json
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from s3pipelines.core.batch.actions.action import Chunk
from s3pipelines.core.batch.back_from_trash import Return, bring_back
from s3pipelines.core.batch.copying import Errand, copy_object
from s3pipelines.core.batch.looking import Seen, look_at
from s3pipelines.core.batch.outcomes import failed, not_as_planned
from s3pipelines.core.batch.removal import remove, remove_versions
from s3pipelines.core.batch.rows import Outcome, Row
from s3pipelines.core.batch.sites import Site, Sites
from s3pipelines.core.batch.verifying import same_bytes
from s3pipelines.core.errors import Gone, PreconditionFailed, StorageError
from s3pipelines.core.storage.verbs.values import Version
from s3pipelines.core.storage.verbs.versions import list_versions_of_key


async def take_back_copies(sites: Sites, chunk: Chunk, rows: Sequence[Row]) -> list[Outcome]:
    """Remove what a plan wrote to its targets, each only if it still is what was written.

    Args:
        sites: The buckets of the plan.
        chunk: Rows that are carried out together.
        rows: Those of them whose copies are to go.

    Raises:
        StorageError: The target cannot be asked at all.
    """
    target = sites.target
    seen = await look_at(target.client, target.facts.location, [row.target or "" for row in rows])
    outcomes: list[Outcome] = []
    versions: dict[str, Row] = {}
    plain: dict[str, Row] = {}
    replaced: list[Row] = []
    for row in rows:
        try:
            facts, now = facts_of(row), seen[row.target or ""]
        except StorageError as error:
            outcomes.append(failed(row, error))
            continue
        is_ours = now is not None and now.etag == facts["made"][0]
        may_be_back = chunk.is_doubtful(row) and now is not None and bool(facts.get("replaced"))
        if not is_ours and not may_be_back:
            outcomes.append(_no_copy(row, now))
        elif not is_ours and target.facts.keeps_versions:
            outcomes.append(_uncovered_before(row, facts, now))
        elif target.facts.keeps_versions:
            versions[row.target or ""] = row
        elif facts.get("replaced"):
            replaced.append(row)
        else:
            plain[row.target or ""] = row
    outcomes += await _remove_versions(target, versions)
    outcomes += await _remove_plain(target, plain)
    return outcomes + await _put_back_replaced(sites, chunk, replaced)


async def bring_back_originals(sites: Sites, chunk: Chunk) -> tuple[list[Row], list[Outcome]]:
    """Bring back the originals that a move deleted, and verify them.

    Returns:
        The rows whose originals are there as they were, and outcomes of the others.

    Raises:
        StorageError: The source cannot be asked at all.
    """
    source = sites.source
    seen = await look_at(source.client, source.facts.location, [row.key for row in chunk.rows])

    async def bring_back(row: Row) -> Row | Outcome:
        try:
            now = seen[row.key]
            if now is not None:
                return row if now.etag == row.etag else _taken(row)
            if source.facts.keeps_versions:
                return await uncovered(source, row)
            return await _copied_back(sites, row)
        except StorageError as error:
            return failed(row, error)

    ended = await asyncio.gather(*map(bring_back, chunk.rows))
    back = [one for one in ended if isinstance(one, Row)]
    return back, [one for one in ended if isinstance(one, Outcome)]


async def uncovered(source: Site, row: Row) -> Row | Outcome:
    """Remove the delete marker over an object, so that it is there again as it was.

    Raises:
        StorageError: It cannot be removed.
    """
    versions = await list_versions_of_key(source.client, row.key)
    if not versions:
        return _not_kept(row)
    if not versions[0].is_delete_marker:
        # Also if a process before this one has removed the marker.
        return row if versions[0].etag == row.etag else _taken(row)
    below = next((one for one in versions if not one.is_delete_marker), None)
    if below is None or below.etag != row.etag:
        return _not_kept(row)
    markers = versions[: versions.index(below)]
    for removed in await remove_versions(source, [(row.key, one.version_id) for one in markers]):
        if removed.error is not None:
            return failed(row, removed.error)
    return row


def facts_of(row: Row) -> dict[str, Any]:
    """What the plan that is taken back had noted of an object."""
    return json.loads(row.previous or "{}")


async def _copied_back(sites: Sites, row: Row) -> Row | Outcome:
    facts, key = facts_of(row), row.target or ""
    etag = facts["made"][0]
    errand = Errand(
        origin=sites.target,
        key=key,
        etag=etag,
        size_bytes=row.size_bytes,
        target=sites.source,
        target_key=row.key,
        storage_class=facts.get("storage_class"),
    )
    try:
        back = (await copy_object(sites, errand)).etag
    except PreconditionFailed:
        now = await _seen(sites.source, row.key)
        if now is None:
            raise
        back = now.etag
    except Gone:
        return not_as_planned(row, "gone", f"The copy {key} was deleted since.")
    same = await same_bytes(sites.target, key, etag, row.size_bytes, sites.source, row.key, back)
    return row if same else _taken(row)


async def _seen(site: Site, key: str) -> Seen | None:
    return (await look_at(site.client, site.facts.location, [key]))[key]


async def _remove_versions(target: Site, rows: dict[str, Row]) -> list[Outcome]:
    """What was written goes, and what was below it is the current version again."""

    async def remove_one(key: str, row: Row) -> Outcome:
        try:
            versions = await list_versions_of_key(target.client, key)
            ours = [(key, one.version_id) for one in _written(versions, facts_of(row))]
            errors = [one.error for one in await remove_versions(target, ours) if one.error]
        except StorageError as error:
            return failed(row, error)
        return failed(row, errors[0]) if errors else Outcome(row, "done", precondition="head")

    return list(await asyncio.gather(*(remove_one(key, row) for key, row in rows.items())))


def _written(versions: Sequence[Version], facts: dict[str, Any]) -> list[Version]:
    """The versions that a plan wrote: a copy whose answer was lost has been made twice."""
    etag, version_id = facts["made"]
    if (facts.get("replaced") or [None])[0] == etag:
        return [one for one in versions if one.version_id == version_id]
    return list(takewhile(lambda one: one.etag == etag, versions))


async def _remove_plain(target: Site, rows: dict[str, Row]) -> list[Outcome]:
    etags = {key: facts_of(row)["made"][0] for key, row in rows.items()}
    return [
        failed(rows[one.key], one.error)
        if one.error
        else Outcome(rows[one.key], "done", precondition=one.precondition)
        for one in await remove(target, etags)
    ]


async def _put_back_replaced(sites: Sites, chunk: Chunk, rows: list[Row]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    returns: list[Return] = []
    for row in rows:
        facts, key = facts_of(row), row.target or ""
        kept = facts["replaced"][1]
        if kept is None or sites.trash is None:
            outcomes.append(
                not_as_planned(row, "not_kept", f"What {key} held before was not kept.")
            )
        else:
            made, storage_class = facts["made"][0], facts.get("storage_class")
            returns.append(Return(row, kept, key, made, storage_class))
    return outcomes + await bring_back(sites, sites.target, chunk, returns)


def _uncovered_before(row: Row, facts: dict[str, Any], now: Seen | None) -> Outcome:
    """A process before this one may have removed the copy, so that what was below it is current."""
    if now is not None and now.etag == facts["replaced"][0]:
        return Outcome(row, "done", precondition="head")
    return _no_copy(row, now)


def _no_copy(row: Row, now: Seen | None) -> Outcome:
    if now is None:
        # Whoever removed it, or a process before this one: it is as it was.
        return Outcome(row, "done", precondition="head")
    return not_as_planned(row, "changed", f"{row.target} was overwritten since; it stays.")


def _not_kept(row: Row) -> Outcome:
    return not_as_planned(row, "gone", f"What was deleted of {row.key} is not kept any more.")


def _taken(row: Row) -> Outcome:
    return not_as_planned(row, "exists", f"{row.key} was written anew since; it stays.")
