"""Taking turns: who could not be served in one tick comes first in the next."""

from collections.abc import Iterable


def in_turn(source_ids: Iterable[str], first: str) -> list[str]:
    """All ids in order, beginning with `first`, or with the one after it where it is gone."""
    ordered = sorted(source_ids)
    turn = next((i for i, name in enumerate(ordered) if name >= first), 0)
    return ordered[turn:] + ordered[:turn]
