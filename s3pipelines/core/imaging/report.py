"""What a run did: counts for the plots, and examples of what went wrong for people."""

from collections import Counter
from dataclasses import dataclass, field

from s3pipelines.core.imaging.failures import is_failure
from s3pipelines.core.imaging.steps import Done

MOST_EXAMPLES = 20


@dataclass(frozen=True)
class Example:
    """One object that gave nothing, and why."""

    key: str
    reason: str
    detail: str


@dataclass
class Report:
    """What a run did.

    Attributes:
        made: Images whose header was read, or of which all was made.
        failed: Images that gave none, by reason.
        archived: Objects that would have to be restored first; nothing was fetched of them.
        no_images: Objects that are no images, and whose names do not say that they are.
        bytes_read: Fetched from the source.
        bytes_written: Files written.
        work_s: That the images took, one after the other.
        duration_s: From beginning to end.
        complete: Nothing is missing any more; else it ended at its limit or its time.
        examples: The first failures.
    """

    made: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    archived: int = 0
    no_images: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    work_s: float = 0
    duration_s: float = 0
    complete: bool = False
    examples: list[Example] = field(default_factory=list)

    @property
    def failures(self) -> int:
        """Images that gave none, whatever the reason."""
        return sum(self.failed.values())

    @property
    def objects(self) -> int:
        """Objects that have a row of this run."""
        return self.made + self.archived + self.no_images + self.failures

    @property
    def images_per_s(self) -> float:
        """Images per second."""
        return self.made / self.duration_s if self.duration_s else 0.0

    def count(self, done: Done) -> None:
        """Take one object in."""
        row = done.outcome
        reason = row["error"]
        if reason is None:
            self.made += 1
        elif reason == "archived":
            self.archived += 1
        elif not is_failure(reason, done.extension):
            self.no_images += 1
        else:
            self.failed[reason] += 1
            if len(self.examples) < MOST_EXAMPLES:
                self.examples.append(Example(row["key"], reason, row["error_detail"]))
        if reason is None:
            self.work_s += row.get("duration_s") or 0.0
        self.bytes_read += done.bytes_read
        self.bytes_written += done.bytes_written
