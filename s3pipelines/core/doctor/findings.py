"""What a check finds, and what becomes of a check that fails."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from s3pipelines.core.errors import S3PipelinesError, printable

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        area: What it belongs to: `machine`, `catalog`, `source maps` …
        name: What was looked at.
        state: `warning` if it works and should be seen to, `skipped` if it could not be told.
        detail: What was found, in a sentence.
        hint: How to mend it.
    """

    area: str
    name: str
    state: State
    detail: str
    hint: str | None = None

    def __post_init__(self) -> None:
        # They hold keys and messages of strangers, and are printed.
        for field in ("area", "name", "detail"):
            object.__setattr__(self, field, printable(getattr(self, field)))
        if self.hint is not None:
            object.__setattr__(self, "hint", printable(self.hint))


@dataclass(frozen=True)
class Check:
    """Something to look at: what it is called if it fails, and what to call."""

    area: str
    name: str
    look: Callable[[], Iterable[Finding]]

    def found(self) -> list[Finding]:
        """What it finds; an error of the project is a finding, too."""
        try:
            return list(self.look())
        except S3PipelinesError as error:
            return [Finding(self.area, self.name, "failed", error.message, error.hint)]
