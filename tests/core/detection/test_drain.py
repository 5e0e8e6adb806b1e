"""From a queue into the ledger: each message is durable there before it is deleted."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection import drain as draining
from s3pipelines.core.detection.drain import Drained, drain
from s3pipelines.core.detection.mailboxes import collect
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.errors import Unreachable
from s3pipelines.core.sources.registry import create_source, get_source, list_sources
from s3pipelines.core.sql.session import open_session
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.inboxes import Inbox
from s3pipelines.core.storage.mailboxes import Depth, Message
from s3pipelines.core.storage.queues import sqs_client
from tests.core.detection.notices import record, straight, through_eventbridge, through_sns

ODD = "in/Ärger 1+2 (50%)/😀|\n.tif"


class Letterbox:
    """A mailbox of texts; a message that is not deleted comes again."""

    name = "letterbox"

    def __init__(self, *bodies: str) -> None:
        self.left = {uuid.uuid4().hex: body for body in bodies}
        self.delivered: set[str] = set()

    def receive(self, most: int, deadline: float) -> list[Message]:
        visible = [key for key in self.left if key not in self.delivered][:most]
        self.delivered |= set(visible)
        return [Message(key, self.left[key], key) for key in visible]

    def delete(self, messages: Sequence[Message]) -> int:
        for message in messages:
            self.left.pop(message.receipt)
        return 0

    def depth(self) -> Depth:
        return Depth(len(self.left), 0, 0)


@pytest.fixture
def maps(local_catalog: Catalog, bucket) -> Catalog:
    create_source(local_catalog, "maps", f"s3://{bucket}/in", exclude=["*.tmp"])
    return local_catalog


def emptied(catalog: Catalog, mailbox: Letterbox) -> Drained:
    return drain(catalog, mailbox, list_sources(catalog), time.monotonic() + 10)


def rows(catalog: Catalog, table: str) -> list[dict[str, Any]]:
    with open_session(catalog) as session:
        return session.run(f"SELECT * FROM {table}").read_all().to_pylist()


@pytest.mark.parametrize(
    "message",
    [
        lambda bucket: straight(record(bucket, ODD, sequencer="0A", eTag="e", size=3)),
        lambda bucket: through_sns(record(bucket, ODD, sequencer="0A", eTag="e", size=3)),
        lambda bucket: through_eventbridge(bucket, ODD, sequencer="0A", etag="e", size=3),
    ],
    ids=["sqs", "sns", "eventbridge"],
)
def test_every_shape_of_an_event_becomes_the_same_hint(maps: Catalog, bucket, message):
    box = Letterbox(message(bucket))

    done = emptied(maps, box)

    assert (done.messages, done.hints, done.emptied) == (1, {"maps": 1}, True)
    assert box.left == {}
    (row,) = rows(maps, "changes")
    told = {"key": ODD, "kind": "hinted", "sequencer": "0A", "etag": "e", "size_bytes": 3}
    assert row | told | {"observed_by": "event"} == row
    assert f"{row['event_time']:%Y-%m-%d %H:%M}" == "2026-01-01 12:00"
    pending = read_pending(maps, get_source(maps, "maps"))
    assert pending is not None
    assert pending.hints == 1


def test_deliveries_of_one_event_are_one_row_in_one_round_and_in_several(maps: Catalog, bucket):
    text = straight(record(bucket, "in/a", sequencer="0A"))

    first = emptied(maps, Letterbox(text, text))
    emptied(maps, Letterbox(text))

    assert first.duplicates == 1
    assert len(rows(maps, "changes")) == 1


def test_two_events_without_a_sequencer_are_two(maps: Catalog, bucket):
    lost = record(bucket, "in/a", "ReducedRedundancyLostObject")

    emptied(maps, Letterbox(straight(lost), straight(lost)))

    assert len(rows(maps, "changes")) == 2


def test_poison_is_kept_with_its_reason_and_does_not_stop_the_others(maps: Catalog, bucket):
    half = straight(record(bucket, "in/a"), {"eventSource": "aws:s3"})
    box = Letterbox("no JSON \ud800", half, straight(record(bucket, "in/b")))

    done = emptied(maps, box)

    assert (done.rejected, box.left) == (2, {})
    assert {row["key"] for row in rows(maps, "changes")} == {"in/a", "in/b"}
    rejected = {row["text"]: row["reason"] for row in rows(maps, "rejected")}
    assert set(rejected) == {"no JSON \\ud800", half}
    assert all(rejected.values())


def test_events_of_no_source_are_counted_and_gone(maps: Catalog, bucket):
    box = Letterbox(straight(record(bucket, "elsewhere/a")), straight(record("other", "in/a")))

    done = emptied(maps, box)

    assert (done.outside, done.hints, box.left) == (2, {}, {})


def test_a_key_that_the_source_leaves_out_is_recorded_and_nothing_is_pending(maps: Catalog, bucket):
    emptied(maps, Letterbox(straight(record(bucket, "in/a.tmp"))))

    (row,) = rows(maps, "changes")
    assert (row["kind"], row["note"]) == (
        "excluded",
        "The source leaves it out (--include, --exclude).",
    )
    assert read_pending(maps, get_source(maps, "maps")) is None


def test_a_key_of_several_sources_is_a_hint_for_each(maps: Catalog, bucket):
    create_source(maps, "deep", f"s3://{bucket}/in/deep")

    done = emptied(maps, Letterbox(straight(record(bucket, "in/deep/a"))))

    assert done.hints == {"maps": 1, "deep": 1}


@pytest.mark.parametrize("step", ["append_hints", "_reject"])
def test_a_message_that_is_not_durable_yet_is_not_deleted(maps: Catalog, bucket, monkeypatch, step):
    box = Letterbox(straight(record(bucket, "in/a")), "poison")

    def fails(*_: object) -> None:
        raise Unreachable("The catalog does not answer.", hint="Check it.")

    monkeypatch.setattr(draining, step, fails)

    with pytest.raises(Unreachable):
        emptied(maps, box)

    assert len(box.left) == 2


def test_a_queue_and_an_inbox_are_emptied_into_the_same_ledger(
    local_catalog: Catalog, bucket, s3, put_objects
):
    sqs = sqs_client(Access())
    url = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=straight(record(bucket, "in/a")))
    create_source(local_catalog, "maps", f"s3://{bucket}/in", inbox=f"s3://{bucket}/notes")
    put_objects("notes/1.json", body=b'{"key": "b", "path": "/data/b"}')
    put_objects("notes/2.json", body=f'{{"key": "x", "path": "s3://{bucket}/in/c"}}'.encode())
    put_objects("notes/3.json", body=b"[")

    collected = collect(local_catalog, url, list_sources(local_catalog), 5)

    assert collected.problems == []
    assert collected.hints == {"maps": 3}
    assert {row["key"] for row in rows(local_catalog, "changes")} == {"in/a", "in/b", "in/c"}
    assert [row["text"] for row in rows(local_catalog, "rejected")] == ["["]
    left = s3.list_objects_v2(Bucket=bucket, Prefix="notes/")
    assert left["KeyCount"] == 0


def test_what_cannot_be_removed_is_read_once_a_tick_and_said(
    local_catalog: Catalog, bucket, put_objects, monkeypatch
):
    create_source(local_catalog, "maps", f"s3://{bucket}/in", inbox=f"s3://{bucket}/notes")
    put_objects("notes/1.json", body=b'{"key": "in/b", "path": ""}')
    monkeypatch.setattr(Inbox, "delete", lambda _, messages: len(messages))

    collected = collect(local_catalog, None, list_sources(local_catalog), 5)

    assert collected.hints == {"maps": 1}
    assert "cannot be removed" in collected.problems[0]


def test_a_queue_that_is_not_there_is_said_and_the_inboxes_are_read(
    local_catalog: Catalog, bucket, put_objects, moto
):
    create_source(local_catalog, "maps", f"s3://{bucket}/in", inbox=f"s3://{bucket}/notes")
    put_objects("notes/1.json", body=b'{"key": "in/b", "path": ""}')
    nowhere = f"http://127.0.0.1:{moto.port}/123456789012/nowhere"

    collected = collect(local_catalog, nowhere, list_sources(local_catalog), 5)

    assert len(collected.problems) == 1
    assert collected.hints == {"maps": 1}


def test_an_inbox_within_its_source_is_refused(local_catalog: Catalog, bucket):
    with pytest.raises(Exception, match="the inbox and the source overlap"):
        create_source(local_catalog, "maps", f"s3://{bucket}/in", inbox=f"s3://{bucket}/in/notes")
