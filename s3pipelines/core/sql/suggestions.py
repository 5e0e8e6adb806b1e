"""What may have been meant by a name that does not exist."""

import difflib
import re
from collections.abc import Iterable

from s3pipelines.core.errors import InvalidInput

_CLOSE = 0.6


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, or has a part that does, if one does.

    `sze` stands for `size_bytes`, though most of the letters are missing.
    """
    likeness, best = max(((_likeness(name, other), other) for other in known), default=(0.0, ""))
    return best if likeness >= _CLOSE else None


def no_such_column(name: str, known: Iterable[str], hint: str) -> InvalidInput:
    """The error for a column that does not exist."""
    meant = closest(name, known)
    about = f" Did you mean {meant}?" if meant else ""
    return InvalidInput(f"There is no column {name!r}.{about}", hint=hint)


def _likeness(name: str, known: str) -> float:
    """0 to 1; as if the whole were alike where a part of it is, but a little less."""
    wanted, whole = name.lower(), known.lower()
    parts = (0.99 * _ratio(wanted, part) for part in re.split(r"[_.]", whole))
    return max(_ratio(wanted, whole), *parts)


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
