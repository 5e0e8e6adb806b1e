"""Lengths of time as people write them: `90s`, `30m`, `12h`, `7d`."""

import re

from s3pipelines.core.errors import InvalidInput

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")


def parse_duration_s(text: str) -> float:
    """So many seconds.

    Raises:
        InvalidInput: `text` is no length of time.
    """
    found = _WRITTEN.fullmatch(text.strip().lower())
    if found is None:
        raise InvalidInput(
            f"{text!r} is no length of time.", hint="Write a number and a unit: 30m, 12h, 7d."
        )
    return float(found[1]) * _SECONDS[found[2]]


def duration_text(seconds: float) -> str:
    """The same the other way round, in the largest unit that has at least two of it."""
    for unit in ("d", "h", "m"):
        if seconds >= 2 * _SECONDS[unit]:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{max(seconds, 0):.0f}s"
