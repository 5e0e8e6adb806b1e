"""`copy`: write each object to another key or bucket, whatever is needed to get it there."""

from typing import Any, Literal

from s3pipelines.core.batch.actions.action import Action, Chunk, Requests
from s3pipelines.core.batch.actions.common import CopyParams
from s3pipelines.core.batch.delivery import deliver
from s3pipelines.core.batch.existing import OnExisting
from s3pipelines.core.batch.mapping import KeyMapping
from s3pipelines.core.batch.returning import take_back_copies
from s3pipelines.core.batch.rows import Outcome
from s3pipelines.core.batch.sites import Sites


class CopyAction(Action):
    """Copies; the originals stay."""

    name = "copy"
    summary = "Copy objects to another prefix, bucket, region or server."
    params_type = CopyParams
    reads = True
    changes_source = False

    def __init__(self, params: CopyParams) -> None:
        super().__init__(params)
        self._params, self._mapping = params, params.mapping

    @property
    def requests(self) -> Requests:
        """One copy each."""
        return Requests(writes=1)

    @property
    def mapping(self) -> KeyMapping:
        """Where they go."""
        return self._mapping

    @property
    def on_existing(self) -> OnExisting:
        """As told."""
        return self._params.on_existing

    @property
    def takes_away(self) -> frozenset[str]:
        """What is replaced at the targets."""
        return frozenset({"target"})

    @property
    def trash_of(self) -> Literal["target"] | None:
        """What is replaced at the target is kept."""
        replaces = (OnExisting.overwrite, OnExisting.if_newer)
        return "target" if self._params.on_existing in replaces else None

    @property
    def touches(self) -> frozenset[str]:
        """The targets."""
        return frozenset({"target"})

    async def carry_out(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Copy each object, if it and its target are as planned."""
        arrived, ended = await deliver(sites, chunk, self._params.changes)
        return ended + [
            Outcome(one.row, "done", None, None, one.precondition, one.etag, one.facts)
            for one in arrived
        ]

    async def take_back(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """Remove the copies, and bring back what they replaced."""
        return await take_back_copies(sites, chunk, chunk.rows)

    def why_not_undone(self, previous: dict[str, Any]) -> str | None:
        """What replaced something cannot be removed unless that was kept."""
        return None if "made" in previous else "nothing was noted of it"
