"""Emptying a mailbox into the ledger: a message is deleted only after what it says is durable.

Whoever is killed in between has the messages come again, and writes them again under the same ids;
what S3 says about their keys decides either way.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import REJECTED
from s3pipelines.core.catalog.tables import ensure_table
from s3pipelines.core.detection.hints import Addressing
from s3pipelines.core.detection.ledger import append_hints, observation_id
from s3pipelines.core.detection.notifications import Reading, read_message
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.mailboxes import Mailbox, Message

# One commit of the ledger for so many messages: it takes a second or two on S3.
_MESSAGES_PER_COMMIT = 5000
# Receiving, writing and deleting take about as long each.
_RECEIVING_SHARE = 0.4


@dataclass
class Drained:
    """What came of the messages.

    Attributes:
        messages: How many were received.
        hints: Rows of the ledger by source.
        duplicates: Deliveries that came together with another one of the same event.
        outside: Notices about keys of no source.
        rejected: Messages that could not be understood, whole or in part.
        undeleted: Messages that could not be deleted, and so come again.
        emptied: There was nothing left, or nothing that could be removed.
    """

    messages: int = 0
    hints: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    outside: int = 0
    rejected: int = 0
    undeleted: int = 0
    emptied: bool = False


def drain(
    catalog: Catalog,
    mailbox: Mailbox,
    sources: Sequence[Source],
    deadline: float,
    *,
    read: Callable[[str], Reading] = read_message,
    inbox_of: Source | None = None,
) -> Drained:
    """Move messages into the ledger, until there are none or the time is up.

    Args:
        catalog: Where the ledger is.
        mailbox: Where the messages are.
        sources: All registered sources.
        deadline: On the clock of `time.monotonic`; the round that is under way then is finished.
        read: What the messages are.
        inbox_of: The source whose inbox it is, if it is one.

    Raises:
        StorageError: The mailbox cannot be used, or the ledger not be written; no message is lost.
    """
    addressing, done = Addressing(sources), Drained()
    by_id = {source.id: source for source in sources}
    while (left := deadline - time.monotonic()) > 0 and not done.emptied:
        receive_until = time.monotonic() + left * _RECEIVING_SHARE
        messages = mailbox.receive(_MESSAGES_PER_COMMIT, receive_until)
        done.emptied = not messages
        if not messages:
            break
        done.messages += len(messages)
        at = datetime.now(UTC)
        readings = [(message, read(message.body)) for message in messages]
        notices = [
            (notice, f"{message.id}/{number}")
            for message, reading in readings
            for number, notice in enumerate(reading.notices)
        ]
        hinted = addressing.rows_of(notices, at, inbox_of)
        append_hints(catalog, [(by_id[key], rows) for key, rows in hinted.rows.items()], at)
        poison = [(message, reading) for message, reading in readings if reading.reasons]
        _reject(catalog, mailbox, poison, at)
        done.undeleted += mailbox.delete(messages)
        # They come again, from an inbox at once; to read them over and over would flood the ledger.
        done.emptied = done.undeleted > 0
        done.duplicates += hinted.duplicates
        done.outside += hinted.outside
        done.rejected += len(poison)
        for key, rows in hinted.rows.items():
            done.hints[key] = done.hints.get(key, 0) + len(rows)
    return done


def _reject(
    catalog: Catalog, mailbox: Mailbox, poison: list[tuple[Message, Reading]], at: datetime
) -> None:
    if not poison:
        return
    ensure_table(catalog, REJECTED)
    rows: list[dict[str, Any]] = [
        {
            "id": observation_id(mailbox.name, message.id),
            "mailbox": mailbox.name,
            "reason": " ".join(reading.reasons),
            # Lone surrogates, which JSON can say and UTF-8 cannot.
            "text": message.body.encode("utf-8", "backslashreplace").decode(),
            "received_at": at,
        }
        for message, reading in poison
    ]
    append_rows(catalog, REJECTED, rows)
