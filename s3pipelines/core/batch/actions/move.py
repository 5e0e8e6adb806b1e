"""`move`: copy, verify, and only then delete the originals."""

import asyncio
from typing import Any

from s3pipelines.core.batch.actions.action import Chunk, Requests
from s3pipelines.core.batch.actions.copy import CopyAction
from s3pipelines.core.batch.delivery import Delivered, deliver
from s3pipelines.core.batch.looking import look_at
from s3pipelines.core.batch.outcomes import failed, not_as_planned
from s3pipelines.core.batch.removal import Removed, remove
from s3pipelines.core.batch.returning import bring_back_originals, take_back_copies
from s3pipelines.core.batch.rows import Outcome
from s3pipelines.core.batch.sites import Sites
from s3pipelines.core.batch.verifying import same_bytes
from s3pipelines.core.errors import Gone, StorageError


class MoveAction(CopyAction):
    """Moves; no original is deleted before its copy was verified."""

    name = "move"
    summary = "Move objects to another prefix, bucket, region or server; each copy is verified."
    changes_source = True

    @property
    def requests(self) -> Requests:
        """A copy each, and few requests for a thousand of them."""
        return Requests(reads=0.003, writes=1, deletes=0.001)

    @property
    def takes_away(self) -> frozenset[str]:
        """The originals, and what is replaced at the targets."""
        return frozenset({"key", "target"})

    @property
    def touches(self) -> frozenset[str]:
        """Both."""
        return frozenset({"key", "target"})

    async def carry_out(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Copy, verify, note, delete."""
        arrived, ended = await deliver(sites, chunk, self._params.changes)
        verified, wrong = await _verify(sites, arrived)
        await chunk.notes.note({one.row.number: one.facts for one in verified})
        gone_already = {
            one.row.key for one in verified if chunk.noted.get(one.row.number, {}).get("made")
        }
        by_key = {one.row.key: one for one in verified}
        removed = await remove(sites.source, {key: one.row.etag for key, one in by_key.items()})
        return (
            ended
            + wrong
            + [_outcome(by_key[one.key], one, one.key in gone_already) for one in removed]
        )

    async def take_back(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Bring the originals back, verify them, and remove the copies."""
        back, ended = await bring_back_originals(sites, chunk)
        return ended + await take_back_copies(sites, chunk, back)


async def _verify(sites: Sites, arrived: list[Delivered]) -> tuple[list[Delivered], list[Outcome]]:
    """What the target really holds now, by a look at it and not by what the copy answered."""
    keys = [one.row.target or "" for one in arrived]
    seen = await look_at(sites.target.client, sites.target.facts.location, keys)

    async def verify(one: Delivered) -> Delivered | Outcome:
        row = one.row
        try:
            now = seen[row.target or ""]
            if now is None or now.size_bytes != row.size_bytes or now.etag != one.etag:
                return not_as_planned(
                    row, "not_verified", f"{row.target} does not hold what was copied there."
                )
            same = await same_bytes(
                sites.source,
                row.key,
                row.etag,
                row.size_bytes,
                sites.target,
                row.target or "",
                now.etag,
            )
        except Gone:
            # An earlier process had deleted the original, after it had verified the copy.
            same = one.is_noted
        except StorageError as error:
            return failed(row, error)
        if same:
            return one
        return not_as_planned(row, "not_verified", f"{row.target} holds other bytes.")

    ended = await asyncio.gather(*map(verify, arrived))
    good = [one for one in ended if isinstance(one, Delivered)]
    return good, [one for one in ended if isinstance(one, Outcome)]


def _outcome(one: Delivered, removed: Removed, noted_before: bool) -> Outcome:
    row = one.row
    facts: dict[str, Any] = {**one.facts, "storage_class": row.storage_class}
    if removed.error is None or (isinstance(removed.error, Gone) and noted_before):
        facts["marker"] = removed.marker
        return Outcome(row, "done", None, None, one.precondition, one.etag, facts)
    said = failed(row, removed.error)
    detail = f"It was copied, and not deleted. {said.detail}"
    return Outcome(row, "failed", said.error, detail, one.precondition, one.etag, facts)
