"""`storage-class`: bring objects into another storage class."""

from typing import Any

from pydantic import Field

from s3pipelines.core.batch.actions.action import Action, Chunk, Params, Requests
from s3pipelines.core.batch.actions.common import StorageClass
from s3pipelines.core.batch.actions.rewriting import as_planned, rewrite, rewrite_back
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

        async def work(row: Row, by: Precondition) -> Outcome:
            if row.storage_class == self._class:
                return Outcome(row, "skipped", "in_class", "It is in this class already.", by)
            keeps = {"storage_class": row.storage_class}
            changes = Changes(storage_class=self._class)
            return await rewrite(sites, row, changes, keeps, doubtful=chunk.is_doubtful(row))

        return await as_planned(sites, chunk, work)

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
