"""`storage-class`: bring objects into another storage class."""

import asyncio
from typing import Any

from pydantic import Field

from s3pipelines.core.batch.actions.action import Action, Chunk, Params, Requests
from s3pipelines.core.batch.actions.common import StorageClass
from s3pipelines.core.batch.actions.rewriting import (
    attempted,
    rewrite,
    rewrite_back,
    still_there,
    tags_at_risk,
)
from s3pipelines.core.batch.changes import Changes
from s3pipelines.core.batch.rows import Outcome, Precondition, Row
from s3pipelines.core.batch.sites import Sites

_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


class StorageClassParams(Params):
    """Which class."""

    storage_class: StorageClass = Field(description="The storage class that they get.")


class StorageClassAction(Action):
    """Copies objects onto themselves, into another class."""

    name = "storage-class"
    summary = "Bring objects into another storage class."
    params_type = StorageClassParams
    reads = True

    def __init__(self, params: StorageClassParams) -> None:
        super().__init__(params)
        self._class = params.storage_class.value

    @property
    def requests(self) -> Requests:
        """A copy each."""
        return Requests(reads=0.001, writes=1)

    async def carry_out(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Those that are in the class already are done."""
        changes = Changes(storage_class=self._class)
        there, ended = await still_there(sites, chunk)
        tags, unread = await tags_at_risk(
            sites, chunk, [row for row, _ in there], lambda _: changes
        )
        failures = {outcome.row.number for outcome in unread}

        async def work(row: Row, by: Precondition) -> Outcome:
            if row.storage_class == self._class:
                return Outcome(row, "skipped", "in_class", "It is in this class already.", by)
            keeps = {"storage_class": row.storage_class}
            doubtful = chunk.is_doubtful(row)
            kept = tags.get(row.number)
            return await rewrite(sites, row, changes, keeps, doubtful=doubtful, tags=kept)

        works = (attempted(row, work(row, by)) for row, by in there if row.number not in failures)
        return ended + unread + list(await asyncio.gather(*works))

    async def take_back(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Back into the class that each had."""
        return await rewrite_back(
            sites, chunk, lambda facts: Changes(storage_class=facts["storage_class"])
        )

    def why_not_undone(self, previous: dict[str, Any]) -> str | None:
        """What lies in an archive cannot be copied."""
        if self._class in _ARCHIVES:
            return "in an archive now: restore it, and change its class by a new plan"
        return None if "made" in previous else "nothing was noted of it"
