"""`delete`: by delete markers, by way of the trash, or for good."""

import asyncio
from typing import Any, Literal

from pydantic import Field

from s3pipelines.core.batch.actions.action import Action, Chunk, Params, Requests
from s3pipelines.core.batch.actions.common import BREAK_VERSIONS
from s3pipelines.core.batch.actions.for_good import delete_all_versions
from s3pipelines.core.batch.actions.rewriting import still_there
from s3pipelines.core.batch.back_from_trash import Return, bring_back
from s3pipelines.core.batch.looking import look_at
from s3pipelines.core.batch.outcomes import failed
from s3pipelines.core.batch.removal import Removed, remove
from s3pipelines.core.batch.returning import facts_of, uncovered
from s3pipelines.core.batch.rows import Outcome, Row
from s3pipelines.core.batch.sites import Sites
from s3pipelines.core.batch.trash import keep_in_trash, trash_key
from s3pipelines.core.errors import Gone, PreconditionFailed, StorageError
from s3pipelines.core.storage.verbs.versions import list_versions_of_key


class DeleteParams(Params):
    """How objects are deleted."""

    permanent: bool = Field(
        False,
        description="Delete for good, with all versions. Without it, a bucket with versions gets "
        "delete markers, and of another one the objects are kept in the trash.",
    )
    break_versions: bool = BREAK_VERSIONS


class DeleteAction(Action):
    """Deletes objects, each only if it still is as planned."""

    name = "delete"
    summary = "Delete objects; unless permanent, an undo brings them back."
    params_type = DeleteParams

    def __init__(self, params: DeleteParams) -> None:
        super().__init__(params)
        self._for_good = params.permanent

    @property
    def requests(self) -> Requests:
        """Few for a thousand, and a copy each where the trash is needed."""
        return Requests(reads=0.002, writes=0 if self._for_good else 1, deletes=0.001)

    @property
    def destroys(self) -> bool:
        """If for good."""
        return self._for_good

    @property
    def takes_away(self) -> frozenset[str]:
        """The objects."""
        return frozenset({"key"})

    @property
    def trash_of(self) -> Literal["source"] | None:
        """Unless for good."""
        return None if self._for_good else "source"

    async def carry_out(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Keep what has to be kept, and delete."""
        if self._for_good and sites.source.facts.keeps_versions:
            return await delete_all_versions(sites.source, chunk, lambda row: row.key)
        rows, ended = chunk.rows, []
        if sites.trash is not None:
            rows, ended = await _kept_in_trash(sites, chunk)
            await chunk.notes.note({row.number: {"kept": True} for row in rows})
        by_key = {row.key: row for row in rows}
        removed = await remove(sites.source, {row.key: row.etag for row in rows})
        outcomes = [self._outcome(sites, chunk, by_key[one.key], one) for one in removed]
        return ended + list(await asyncio.gather(*outcomes))

    async def take_back(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Remove delete markers, or bring back from the trash."""
        if not sites.source.facts.keeps_versions:
            return await bring_back(sites, sites.source, chunk, list(map(_return, chunk.rows)))

        async def one(row: Row) -> Outcome:
            try:
                back = await uncovered(sites.source, row)
            except StorageError as error:
                return failed(row, error)
            return back if isinstance(back, Outcome) else Outcome(row, "done")

        return list(await asyncio.gather(*map(one, chunk.rows)))

    def why_not_undone(self, previous: dict[str, Any]) -> str | None:
        """What was deleted for good is gone."""
        return None if "marker" in previous or "trash" in previous else "deleted for good"

    async def _outcome(self, sites: Sites, chunk: Chunk, row: Row, removed: Removed) -> Outcome:
        facts: dict[str, Any] = {"storage_class": row.storage_class}
        if sites.trash is not None:
            facts["trash"] = trash_key(sites, row, row.key)
        elif sites.source.facts.keeps_versions:
            facts["marker"] = removed.marker
        if removed.error is None:
            return Outcome(row, "done", precondition=removed.precondition, previous=facts)
        # A process before this one may have deleted it, and was killed before it could say so.
        missing = isinstance(removed.error, (Gone, PreconditionFailed))
        try:
            if missing and await _was_deleted_here(sites, chunk, row):
                return Outcome(row, "done", precondition="head", previous=facts)
        except StorageError as error:
            return failed(row, error)
        return failed(row, removed.error)


def _return(row: Row) -> Return:
    facts = facts_of(row)
    return Return(row, facts["trash"], row.key, None, facts.get("storage_class"))


async def _was_deleted_here(sites: Sites, chunk: Chunk, row: Row) -> bool:
    if not chunk.is_doubtful(row):
        return False
    if sites.trash is not None and not chunk.noted.get(row.number, {}).get("kept"):
        return False
    seen = await look_at(sites.source.client, sites.source.facts.location, [row.key])
    if seen[row.key] is not None:
        return False
    if not sites.source.facts.keeps_versions:
        return True
    versions = await list_versions_of_key(sites.source.client, row.key)
    below = [one for one in versions if not one.is_delete_marker]
    return bool(below) and below[0].etag == row.etag


async def _kept_in_trash(sites: Sites, chunk: Chunk) -> tuple[list[Row], list[Outcome]]:
    """Copy the objects into the trash; those that a process before this one deleted are there."""

    async def keep(row: Row) -> Row | Outcome:
        try:
            await keep_in_trash(sites, sites.source, row, row.key, row.etag, row.size_bytes)
        except StorageError as error:
            return failed(row, error)
        return row

    there, missing = await still_there(sites, chunk)
    ended = await asyncio.gather(*(keep(row) for row, _ in there))
    kept = [one for one in ended if isinstance(one, Row)]
    for outcome in missing:
        try:
            here = await _was_deleted_here(sites, chunk, outcome.row)
        except StorageError:
            here = False
        if here:
            kept.append(outcome.row)
        else:
            ended.append(outcome)
    return kept, [one for one in ended if isinstance(one, Outcome)]
