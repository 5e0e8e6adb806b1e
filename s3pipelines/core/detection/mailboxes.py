"""All places where notifications arrive, emptied into the ledger: the work of one tick."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection.drain import Drained, drain
from s3pipelines.core.detection.notifications import read_inbox_file
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.inboxes import open_inbox
from s3pipelines.core.storage.queues import open_queue


@dataclass
class Collected:
    """What came of all mailboxes.

    Attributes:
        by_mailbox: What came of each, by its name.
        problems: A line for each that could not be used.
        left: Messages that the queue still had for others to receive; None if nothing came.
    """

    by_mailbox: dict[str, Drained] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left: int | None = None

    @property
    def outside(self) -> int:
        """Notices about keys of no source."""
        return sum(drained.outside for drained in self.by_mailbox.values())

    def add(self, mailbox: str, drained: Drained) -> None:
        """Add what came of one of them."""
        self.by_mailbox[mailbox] = drained
        if drained.undeleted:
            self.problems.append(
                f"{drained.undeleted} messages of {mailbox} cannot be removed, and come again and "
                "again. Grant sqs:DeleteMessage, or s3:DeleteObject on the inbox."
            )

    @property
    def hints(self) -> dict[str, int]:
        """Rows of the ledger by source."""
        found: dict[str, int] = {}
        for drained in self.by_mailbox.values():
            for source_id, number in drained.hints.items():
                found[source_id] = found.get(source_id, 0) + number
        return found


def collect(
    catalog: Catalog, queue_url: str | None, sources: Sequence[Source], budget_s: float
) -> Collected:
    """Empty the queue and the inboxes of the sources, as far as the time allows.

    Args:
        catalog: Where the ledger is.
        queue_url: The SQS queue, if there is one.
        sources: All registered sources.
        budget_s: Seconds after which nothing more is received.
    """
    deadline = time.monotonic() + budget_s
    collected = Collected()
    noted = [source for source in sources if source.inbox_location is not None]
    if queue_url:
        # Half of the time, if there is anything else that it could be used for.
        until = deadline - budget_s / 2 if noted else deadline
        try:
            queue = open_queue(catalog.access, queue_url)
            collected.add(queue.name, drain(catalog, queue, sources, until))
            if collected.by_mailbox[queue.name].messages:
                collected.left = queue.depth().visible
        except S3PipelinesError as error:
            collected.problems.append(str(error))
    # In any order, and an equal share of what is left: a busy inbox must not starve the others.
    random.shuffle(noted)
    for position, source in enumerate(noted):
        now = time.monotonic()
        until = now + (deadline - now) / (len(noted) - position)
        try:
            _collect_inbox(catalog, source, sources, until, collected)
        except S3PipelinesError as error:
            collected.problems.append(f"{source.id}: {error}")
    return collected


def _collect_inbox(
    catalog: Catalog,
    source: Source,
    sources: Sequence[Source],
    deadline: float,
    collected: Collected,
) -> None:
    location = source.inbox_location
    if location is None:
        return
    inbox = open_inbox(source.access(catalog.access), location)
    drained = drain(catalog, inbox, sources, deadline, read=read_inbox_file, inbox_of=source)
    collected.add(inbox.name, drained)
