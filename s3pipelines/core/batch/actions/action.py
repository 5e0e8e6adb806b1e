"""What an action is: one kind of change to objects, with what it is told, and how it is undone."""

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from s3pipelines.core.batch.existing import OnExisting
from s3pipelines.core.batch.journal import Notes
from s3pipelines.core.batch.mapping import KeyMapping
from s3pipelines.core.batch.rows import Outcome, Row
from s3pipelines.core.errors import InvalidInput

if TYPE_CHECKING:
    from s3pipelines.core.batch.sites import Sites


class Params(BaseModel):
    """What an action is told, the same for every object of a plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Requests:
    """What one object costs in requests of each kind."""

    reads: float = 0
    writes: float = 0
    deletes: float = 0


@dataclass(frozen=True)
class Chunk:
    """Some rows of a shard that are carried out together.

    Attributes:
        rows: At most 1,000, in the order of their keys.
        notes: Where to note what has to be known if this process is killed.
        doubtful: Numbers of rows that an earlier process had begun with; nobody knows how far.
        noted: What that one had noted of them, by number.
    """

    rows: list[Row]
    notes: Notes
    doubtful: frozenset[int] = frozenset()
    noted: dict[int, dict[str, Any]] = field(default_factory=dict)

    def is_doubtful(self, row: Row) -> bool:
        """An earlier process may have carried it out, in part or in full."""
        return row.number in self.doubtful


class Action(ABC):
    """One kind of change; a subclass for each, registered in `core.batch.actions`.

    Attributes:
        name: As people type it.
        summary: What it does, in a line.
        params_type: What it is told.
        reads: It reads the bytes, so that an archived object has to be restored first.
        changes_source: A source that is read-only refuses it.
        of_trash: It works on what lies in the trash of the source, and not on its objects.
        chunk_rows: Most rows of a chunk. What is slow has small ones: their outcomes are only
            known together, and a process that is killed leaves all rows of a chunk in doubt.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    params_type: ClassVar[type[Params]]
    reads: ClassVar[bool] = False
    changes_source: ClassVar[bool] = True
    of_trash: ClassVar[bool] = False
    chunk_rows: ClassVar[int] = 1000

    def __init__(self, params: Params) -> None:
        self.params = params

    @property
    @abstractmethod
    def requests(self) -> Requests:
        """What one object costs, as a rule."""

    @property
    def destroys(self) -> bool:
        """What it does cannot be undone in full."""
        return False

    @property
    def takes_away(self) -> frozenset[str]:
        """Which objects are gone or replaced: `key`, `target`, or what the other plan `made`."""
        return frozenset()

    @property
    def breaks_versions(self) -> bool:
        """It may take away members of a version of a source."""
        return getattr(self.params, "break_versions", False)

    @property
    def mapping(self) -> KeyMapping | None:
        """Where the objects go; None if they stay where they are."""
        return None

    @property
    def on_existing(self) -> OnExisting:
        """What is done where the target exists already."""
        return OnExisting.fail

    @property
    def trash_of(self) -> Literal["source", "target"] | None:
        """Where it removes or replaces objects that, without versions, are kept in the trash."""
        return None

    @property
    def touches(self) -> frozenset[str]:
        """Which keys of a row are otherwise afterwards, for the index: `key`, `target`."""
        return frozenset({"key"})

    def require_possible(self) -> None:  # noqa: B027 - most are possible everywhere
        """Make sure that this machine can do it, before anything is planned or applied.

        Raises:
            InvalidInput: It cannot.
        """

    def at_work(self) -> AbstractAsyncContextManager[Any]:
        """What has to be open while `carry_out` is called, for chunks at the same time."""
        return nullcontext()

    @abstractmethod
    async def carry_out(self, sites: "Sites", chunk: Chunk) -> list[Outcome]:
        """Carry out each row of the chunk.

        Returns:
            One outcome per row, in any order; an object that fails is an outcome, too.

        Raises:
            StorageError: Nothing can be done at all, for no row.
        """

    async def take_back(self, sites: "Sites", chunk: Chunk) -> list[Outcome]:  # noqa: ARG002
        """Undo it: the rows are those of an undo plan, with `previous` as `carry_out` gave it.

        Only rows get here of which `why_not_undone` says nothing.
        """
        raise InvalidInput(f"What {self.name!r} did cannot be taken back.", hint="Plan it anew.")

    def why_not_undone(self, previous: dict[str, Any]) -> str | None:  # noqa: ARG002
        """Why what was done to an object cannot be undone; None if it can."""
        return f"what {self.name!r} did cannot be taken back"

    def tags_after(self, outcome: Outcome) -> dict[str, str | None] | None:  # noqa: ARG002
        """Tags that an object has now, as far as they are known; None for what was taken away."""
        return None
