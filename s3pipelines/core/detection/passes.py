"""Where each source's pass over its listing stands: the cursor of the listing sensor, as a value.

A pass goes through a source's listing slice by slice. The state is small JSON text, holds no
secret, and may be lost at any time: the next pass finds whatever is still different.
"""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class SourcePass(BaseModel):
    """One pass over one source that is under way.

    Attributes:
        generation: The registration that it belongs to.
        started_at: When it began, by this machine's clock.
        after: The last key that was compared; empty at the start.
        differing: Objects that differed from the index so far.
    """

    model_config = ConfigDict(frozen=True)

    generation: str
    started_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    after: str = ""
    differing: int = 0

    def advanced(self, after: str, differing: int) -> "SourcePass":
        """The pass with one more slice behind it."""
        return self.model_copy(update={"after": after, "differing": self.differing + differing})


class Passes(BaseModel):
    """All passes, and which source is next, so that a long source never starves the others."""

    model_config = ConfigDict(frozen=True)

    next_source: str = ""
    by_source: dict[str, SourcePass] = Field(default_factory=dict)

    @staticmethod
    def from_cursor(cursor: str | None) -> "Passes":
        """Read a cursor; what cannot be read starts all passes anew, which loses nothing."""
        try:
            return Passes.model_validate_json(cursor) if cursor else Passes()
        except ValidationError:
            return Passes()

    def to_cursor(self) -> str:
        """The text to keep."""
        return self.model_dump_json()

    def of(self, source_id: str, generation: str) -> SourcePass:
        """The pass of this registration that is under way, or a new one."""
        found = self.by_source.get(source_id)
        if found is None or found.generation != generation:
            return SourcePass(generation=generation)
        return found

    def with_pass(self, source_id: str, current: SourcePass | None) -> "Passes":
        """These passes with one replaced, or ended (None)."""
        others = {key: value for key, value in self.by_source.items() if key != source_id}
        if current is not None:
            others[source_id] = current
        return self.model_copy(update={"by_source": others})

    def starting_next_at(self, source_id: str) -> "Passes":
        """These passes with the source that the next tick begins with."""
        return self.model_copy(update={"next_source": source_id})

    def only(self, source_ids: set[str]) -> "Passes":
        """These passes without those of sources that are no longer registered."""
        kept = {key: value for key, value in self.by_source.items() if key in source_ids}
        return self.model_copy(update={"by_source": kept})
