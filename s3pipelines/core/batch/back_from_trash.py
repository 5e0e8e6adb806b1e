"""Objects back from the trash: copied, verified, noted, and only then removed from there."""

import asyncio
from dataclasses import dataclass

from s3pipelines.core.batch.actions.action import Chunk
from s3pipelines.core.batch.copying import Errand, copy_object
from s3pipelines.core.batch.looking import Looks, Seen, look_at
from s3pipelines.core.batch.outcomes import failed, not_as_planned
from s3pipelines.core.batch.removal import Removed, remove
from s3pipelines.core.batch.rows import Outcome, Row
from s3pipelines.core.batch.sites import Site, Sites
from s3pipelines.core.batch.verifying import same_bytes
from s3pipelines.core.errors import Gone, PreconditionFailed, StorageError

# In the notes: the ETag that an object has since it came back. Without it, whoever goes on could
# not tell an object that is back from one that the trash has lost.
_BACK = "back"


@dataclass(frozen=True)
class Return:
    """An object that is to come back.

    Attributes:
        row: Its row in the plan.
        kept: Its key in the trash.
        key: The key that it gets.
        replaces: ETag of what is there and is to be replaced; None if nothing may be there.
        storage_class: The class that it had; None for that of the bucket.
    """

    row: Row
    kept: str
    key: str
    replaces: str | None
    storage_class: str | None


async def bring_back(
    sites: Sites, site: Site, chunk: Chunk, returns: list[Return]
) -> list[Outcome]:
    """Bring objects back from the trash to a site.

    Returns:
        One outcome for each.

    Raises:
        StorageError: The trash, or the site, cannot be asked at all.
    """
    if sites.trash is None or not returns:
        return [_lost(one) for one in returns]
    carrier = _Carrier(sites, sites.trash, site, chunk)
    in_trash = await look_at(
        sites.trash.client, sites.trash.facts.location, [one.kept for one in returns]
    )
    there = await look_at(site.client, site.facts.location, [one.key for one in returns])
    ended = await asyncio.gather(*(carrier.carry(one, in_trash, there) for one in returns))
    back = {one.what.kept: one for one in ended if isinstance(one, _Back)}
    await chunk.notes.note({one.what.row.number: {_BACK: one.etag} for one in back.values()})
    removed = await remove(sites.trash, {kept: one.kept_etag for kept, one in back.items()})
    return [one for one in ended if isinstance(one, Outcome)] + [
        _outcome(back[one.key], one) for one in removed
    ]


@dataclass(frozen=True)
class _Back:
    """What is where it belongs, and in the trash still."""

    what: Return
    kept_etag: str
    etag: str


@dataclass(frozen=True)
class _Carrier:
    sites: Sites
    trash: Site
    site: Site
    chunk: Chunk

    async def carry(self, one: Return, in_trash: Looks, there: Looks) -> _Back | Outcome:
        try:
            kept = in_trash[one.kept]
            if kept is None:
                noted = self.chunk.noted.get(one.row.number, {}).get(_BACK)
                return Outcome(one.row, "done", etag=noted) if noted else _lost(one)
            now = there[one.key]
            if (now.etag if now else None) == one.replaces:
                etag = await self._copied(one, kept)
            elif now is not None:
                etag = now.etag  # An earlier process has copied it, or somebody else has written.
            else:
                return not_as_planned(one.row, "changed", f"{one.key} was deleted since.")
            if not await same_bytes(
                self.trash, one.kept, kept.etag, kept.size_bytes, self.site, one.key, etag
            ):
                return not_as_planned(
                    one.row, "exists", f"{one.key} was written anew since; it stays."
                )
        except StorageError as error:
            return failed(one.row, error)
        return _Back(one, kept.etag, etag)

    async def _copied(self, one: Return, kept: Seen) -> str:
        errand = Errand(
            origin=self.trash,
            key=one.kept,
            etag=kept.etag,
            size_bytes=kept.size_bytes,
            target=self.site,
            target_key=one.key,
            storage_class=one.storage_class,
            replaces=one.replaces,
        )
        try:
            return (await copy_object(self.sites, errand)).etag
        except PreconditionFailed:
            # An attempt without an answer, or somebody in this moment: the bytes will tell.
            look = await look_at(self.site.client, self.site.facts.location, [one.key])
            if (now := look[one.key]) is None:
                raise
            return now.etag


def _outcome(back: _Back, removed: Removed) -> Outcome:
    row = back.what.row
    if removed.error is None or isinstance(removed.error, Gone):
        return Outcome(row, "done", etag=back.etag)
    said = failed(row, removed.error)
    detail = f"It is back, and in the trash still. {said.detail}"
    return Outcome(row, "failed", said.error, detail, etag=back.etag, previous={_BACK: back.etag})


def _lost(one: Return) -> Outcome:
    return not_as_planned(one.row, "gone", f"The trash does not hold {one.kept} any more.")
