"""Where notifications of uploads arrive: an SQS queue, or a folder of JSON files on S3.

A message that is received is not gone: who has done with it deletes it, and otherwise it comes
again. So nothing is lost by a process that is killed between the two.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from s3pipelines.core.errors import StorageError

THREADS = 16

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Message:
    """One message as it was received.

    Attributes:
        id: What names it to people: SQS's MessageId, or bucket/key of a file.
        body: Its text, whatever it is.
        receipt: What deletes it.
    """

    id: str
    body: str
    receipt: str


@dataclass(frozen=True)
class Depth:
    """How many messages there are, approximately.

    Attributes:
        visible: Those that may be received.
        in_flight: Those that were received, and come again if nobody deletes them.
        delayed: Those that may be received later.
    """

    visible: int
    in_flight: int
    delayed: int


class Mailbox(Protocol):
    """A store of messages; all methods raise `StorageError` if it cannot be used."""

    @property
    def name(self) -> str:
        """What names it to people: the queue's URL, or `s3://bucket/prefix/`."""
        ...

    def receive(self, most: int, deadline: float) -> list[Message]:
        """Up to `most` messages, in no particular order.

        Asks until there are none or `deadline`, on `time.monotonic()`, is past; a request that is
        under way then is waited for. If some requests fail, what the others brought is returned,
        and only if that is nothing, the failure is raised.
        """
        ...

    def delete(self, messages: Sequence[Message]) -> int:
        """Delete messages; returns how many could not be deleted, which come again.

        A request that fails as a whole is raised, after all others were sent.
        """
        ...

    def depth(self) -> Depth:
        """How many messages there are."""
        ...


def in_threads(do: Callable[[T], R], items: Sequence[T]) -> tuple[list[R], list[StorageError]]:
    """What `do` returns for each item, and the errors of those for which it failed.

    Args:
        do: Called in several threads.
        items: What to call it with, once each.
    """

    def tried(item: T) -> tuple[list[R], list[StorageError]]:
        try:
            return [do(item)], []
        except StorageError as error:
            return [], [error]

    if not items:
        return [], []
    with ThreadPoolExecutor(min(THREADS, len(items)), "mailbox") as threads:
        outcomes = list(threads.map(tried, items))
    return [r for done, _ in outcomes for r in done], [e for _, failed in outcomes for e in failed]
