"""`undo`: take back what another plan did; its rows tell what was there before."""

from typing import Any, Literal

from s3pipelines.core.batch.actions.action import Action, Chunk, Params, Requests
from s3pipelines.core.batch.mapping import KeyMapping
from s3pipelines.core.batch.rows import Outcome
from s3pipelines.core.batch.sites import Sites


class UndoParams(Params):
    """Which plan is taken back, and what that was."""

    plan_id: str
    action: str
    params: dict[str, Any]


class UndoAction(Action):
    """The other way round of another action.

    Args:
        params: Which plan.
        original: Its action.
    """

    name = "undo"
    summary = "Take back what another plan did."
    params_type = UndoParams

    def __init__(self, params: UndoParams, original: Action) -> None:
        super().__init__(params)
        self._original = original

    @property
    def requests(self) -> Requests:
        """As many as the other plan took, as a rule."""
        return self._original.requests

    @property
    def mapping(self) -> KeyMapping | None:
        """Where the other plan had brought the objects."""
        return self._original.mapping

    @property
    def takes_away(self) -> frozenset[str]:
        """The copies that the other plan made."""
        return frozenset({"made"} if self._original.mapping is not None else ())

    @property
    def breaks_versions(self) -> bool:
        """As the other plan."""
        return self._original.breaks_versions

    @property
    def trash_of(self) -> Literal["source", "target"] | None:
        """What it kept there is fetched back."""
        return self._original.trash_of

    @property
    def touches(self) -> frozenset[str]:
        """The same keys as the other plan."""
        return self._original.touches

    def tags_after(self, outcome: Outcome) -> dict[str, str | None] | None:
        """As the other plan's action has it."""
        return self._original.tags_after(outcome)

    async def carry_out(self, sites: Sites, chunk: Chunk) -> list[Outcome]:
        """See `Action.take_back`."""
        return await self._original.take_back(sites, chunk)
