"""Telling whoever waits how many bytes are done."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Whom to tell how far it is; nobody by default. May be called from other threads.

    Attributes:
        begin: Is told how many bytes there are, once.
        advance: Is told how many more bytes are done; negative if some have to be done again.
    """

    begin: Callable[[int], object] = lambda _: None
    advance: Callable[[int], object] = lambda _: None
