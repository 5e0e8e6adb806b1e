"""`restore`: ask for temporary copies of archived objects."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from s3pipelines.core.batch.actions.action import Action, Chunk, Params, Requests
from s3pipelines.core.batch.actions.rewriting import as_planned
from s3pipelines.core.batch.rows import Outcome, Precondition, Row
from s3pipelines.core.batch.sites import Sites
from s3pipelines.core.storage.verbs.restore import restore

_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING"})


class Tier(StrEnum):
    """How fast, and at which price."""

    Bulk = "Bulk"
    Standard = "Standard"
    Expedited = "Expedited"


class RestoreParams(Params):
    """For how long, and how fast."""

    days: int = Field(7, ge=1, le=365, description="Days that the copies stay.")
    tier: Tier = Field(Tier.Bulk, description="How fast: Bulk is the cheapest.")


class RestoreAction(Action):
    """Asks; S3 takes minutes to days until a copy is there."""

    name = "restore"
    summary = "Ask for temporary copies of archived objects."
    params_type = RestoreParams

    def __init__(self, params: RestoreParams) -> None:
        super().__init__(params)
        self._params = params

    @property
    def requests(self) -> Requests:
        """One each; what the retrieval itself costs comes on top."""
        return Requests(writes=1)

    @property
    def touches(self) -> frozenset[str]:
        """The index stays; an event tells when a copy is there."""
        return frozenset()

    async def carry_out(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Those that lie in no archive are left out."""

        async def work(row: Row, by: Precondition) -> Outcome:
            if row.storage_class not in _ARCHIVES:
                return Outcome(row, "skipped", "not_archived", "It lies in no archive.", by)
            await restore(
                sites.source.client, row.key, days=self._params.days, tier=self._params.tier.value
            )
            return Outcome(row, "done", precondition=by, etag=row.etag)

        return await as_planned(sites, chunk, work)

    def why_not_undone(self, previous: dict[str, Any]) -> str | None:  # noqa: ARG002
        """S3 cannot be told to stop."""
        return "a restore cannot be called off; the copies expire by themselves"
