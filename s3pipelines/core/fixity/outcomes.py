"""What an audit finds of an object, and of all of them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["ok", "unknown", "mismatch", "missing", "changed", "archived", "denied", "failed"]
# What the asset check fails for: the bytes are not there any more.
DAMAGED: frozenset[Outcome] = frozenset({"mismatch", "missing"})
_NOT_READ: frozenset[Outcome] = frozenset({"denied", "failed"})


@dataclass(frozen=True)
class Audited:
    """One object.

    Attributes:
        etag: Of the state that was to be read.
        size_bytes: Size of what was read; None if nothing was.
        sha256: Of what was read, in hexadecimal.
        known_sha256: What it has to be, known now.
        proofs: What was compared; of a mismatch, what disagreed.
        detail: Why, in a sentence.
    """

    key: str
    etag: str
    outcome: Outcome
    size_bytes: int | None = None
    sha256: str | None = None
    known_sha256: str | None = None
    proofs: tuple[str, ...] = ()
    detail: str | None = None


@dataclass
class Audit:
    """What came of looking.

    Attributes:
        name: The source, or `ID@VERSION`.
        seed: Draws the same sample again.
        due: How many objects were chosen, and sampled.
        due_bytes: Their size together.
        counts: How many ended how.
        read_bytes: Size of what was read.
        told: Those that are not as they should be, or could not be read.
        budget_used_up: It ended as there was no more to spend; the next audit goes on.
    """

    name: str
    seed: int
    due: int = 0
    due_bytes: int = 0
    counts: Counter[Outcome] = field(default_factory=Counter)
    read_bytes: int = 0
    told: list[Audited] = field(default_factory=list)
    budget_used_up: bool = False

    def take(self, one: Audited) -> None:
        """Count one in."""
        self.counts[one.outcome] += 1
        self.read_bytes += one.size_bytes or 0
        if one.outcome not in ("ok", "unknown"):
            self.told.append(one)

    @property
    def audited(self) -> int:
        """How many were looked at."""
        return self.counts.total()

    @property
    def failing(self) -> int:
        """How many are damaged, or could not be read for a reason that somebody has to see to."""
        return sum(self.counts[outcome] for outcome in DAMAGED | _NOT_READ)
