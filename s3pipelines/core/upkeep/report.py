"""What upkeep did, table by table and source by source."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kept:
    """One table, or the rows of one source in it.

    Attributes:
        table: Name of the table.
        source: Id of the source; empty for the table as a whole, whose files of old versions were
            removed.
        files_before: Files of the present version, before and after.
        bytes_before: Their size together, before and after.
        rewritten_files: How many of them were written anew.
        removed_files: Files of old versions that were removed.
        removed_bytes: Their size together.
        duration_s: How long it took, in seconds.
        note: What somebody should know.
        error: Why it was not done, in one line; empty if it was.
    """

    table: str
    source: str = ""
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    rewritten_files: int = 0
    removed_files: int = 0
    removed_bytes: int = 0
    duration_s: float = 0.0
    note: str = ""
    error: str = ""


@dataclass(frozen=True)
class Upkeep:
    """All of it.

    Attributes:
        parts: One per table and source, and one per table.
        duration_s: How long it took, in seconds.
    """

    parts: tuple[Kept, ...]
    duration_s: float

    @property
    def failures(self) -> tuple[Kept, ...]:
        """What was not done."""
        return tuple(part for part in self.parts if part.error)
