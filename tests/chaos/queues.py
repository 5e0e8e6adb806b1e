"""Queues in memory, and what SQS answers for them (AWS JSON 1.0)."""

import asyncio
import hashlib
import heapq
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.chaos.wire import Request, answer

_POLL_S = 0.02
_MOST = 10


@dataclass(slots=True)
class Message:
    number: int
    body: str
    sent_ms: int
    times_received: int = 0
    first_received_ms: int = 0
    visible_at: float = 0.0

    @property
    def receipt(self) -> str:
        return f"{self.number}.{self.times_received}"


@dataclass
class Queue:
    """Messages that wait, and messages that somebody works on until their time is over."""

    visible: "OrderedDict[int, Message]" = field(default_factory=OrderedDict)
    in_flight: dict[int, Message] = field(default_factory=dict)
    _deadlines: list[tuple[float, int]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    def send(self, body: str) -> Message:
        message = Message(next(self._numbers), body, int(time.time() * 1000))
        self.visible[message.number] = message
        return message

    def receive(self, most: int, hidden_s: float) -> list[Message]:
        self.expire()
        taken = []
        while self.visible and len(taken) < most:
            _, message = self.visible.popitem(last=False)
            message.times_received += 1
            message.first_received_ms = message.first_received_ms or int(time.time() * 1000)
            self.in_flight[message.number] = message
            self._hide(message, hidden_s)
            taken.append(message)
        return taken

    def delete(self, receipt: str) -> None:
        """As SQS: only the newest receipt deletes, and an older one is no error."""
        message = self._of(receipt)
        if message is not None:
            self.visible.pop(message.number, None)
            self.in_flight.pop(message.number, None)

    def change_visibility(self, receipt: str, hidden_s: float) -> None:
        message = self._of(receipt)
        if message is not None and message.number in self.in_flight:
            self._hide(message, hidden_s)

    def expire(self) -> None:
        """Give back what nobody deleted in time."""
        now = time.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, number = heapq.heappop(self._deadlines)
            message = self.in_flight.get(number)
            if message is not None and message.visible_at == deadline:
                self.visible[number] = self.in_flight.pop(number)

    def _hide(self, message: Message, hidden_s: float) -> None:
        message.visible_at = time.monotonic() + hidden_s
        heapq.heappush(self._deadlines, (message.visible_at, message.number))

    def _of(self, receipt: str) -> Message | None:
        number = int(receipt.partition(".")[0])
        message = self.in_flight.get(number) or self.visible.get(number)
        return message if message is not None and message.receipt == receipt else None


class Refused(Exception):
    """A request that SQS does not accept: its code."""


class SQS:
    """The part of SQS's interface that a consumer asks for."""

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}

    def handle(self, request: Request) -> tuple[str, bytes | Awaitable[bytes]]:
        """What was asked, in a word, and the answer."""
        action = request.header(b"x-amz-target").partition(".")[2]
        asked = json.loads(request.body or b"{}")
        try:
            if action in ("CreateQueue", "GetQueueUrl"):
                return action, _json(self._named(action, asked["QueueName"], request))
            queue = self._queue(asked["QueueUrl"].rpartition("/")[2])
            if action == "ReceiveMessage":
                return action, _receive(queue, asked)
            do = getattr(self, f"_do_{action}", None)
            if do is None:
                raise Refused("UnsupportedOperation")
            return action, _json(do(queue, asked))
        except Refused as refused:
            body = {"__type": f"com.amazonaws.sqs#{refused}", "message": str(refused)}
            return f"refused-{action}", _json(body, 400)

    def _named(self, action: str, name: str, request: Request) -> dict[str, Any]:
        if action == "CreateQueue":
            self.queues.setdefault(name, Queue())
        self._queue(name)
        return {"QueueUrl": f"http://{request.header(b'host')}/000000000000/{name}"}

    def _queue(self, name: str) -> Queue:
        if name not in self.queues:
            raise Refused("QueueDoesNotExist")
        return self.queues[name]

    def _do_SendMessage(self, queue: Queue, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return _sent(queue.send(asked["MessageBody"]))

    def _do_SendMessageBatch(self, queue: Queue, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        entries = _entries(asked)
        sent = [{"Id": e["Id"]} | _sent(queue.send(e["MessageBody"])) for e in entries]
        return {"Successful": sent, "Failed": []}

    def _do_DeleteMessage(self, queue: Queue, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        queue.delete(asked["ReceiptHandle"])
        return {}

    def _do_DeleteMessageBatch(self, queue: Queue, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        for entry in _entries(asked):
            queue.delete(entry["ReceiptHandle"])
        return {"Successful": [{"Id": e["Id"]} for e in asked["Entries"]], "Failed": []}

    def _do_ChangeMessageVisibility(self, queue: Queue, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        queue.change_visibility(asked["ReceiptHandle"], asked["VisibilityTimeout"])
        return {}

    def _do_ChangeMessageVisibilityBatch(  # noqa: N802
        self, queue: Queue, asked: dict[str, Any]
    ) -> dict[str, Any]:
        for entry in _entries(asked):
            queue.change_visibility(entry["ReceiptHandle"], entry["VisibilityTimeout"])
        return {"Successful": [{"Id": e["Id"]} for e in asked["Entries"]], "Failed": []}

    def _do_GetQueueAttributes(self, queue: Queue, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        queue.expire()
        known = {
            "ApproximateNumberOfMessages": str(len(queue.visible)),
            "ApproximateNumberOfMessagesNotVisible": str(len(queue.in_flight)),
            "ApproximateNumberOfMessagesDelayed": "0",
            "VisibilityTimeout": "30",
            "QueueArn": f"arn:aws:sqs:us-east-1:0:{asked['QueueUrl'].rpartition('/')[2]}",
        }
        names = asked.get("AttributeNames", [])
        return {"Attributes": {n: v for n, v in known.items() if n in names or "All" in names}}


def _receive(queue: Queue, asked: dict[str, Any]) -> bytes | Awaitable[bytes]:
    most = asked.get("MaxNumberOfMessages", 1)
    if not 1 <= most <= _MOST:
        raise Refused("InvalidParameterValue")
    taken = queue.receive(most, asked.get("VisibilityTimeout", 30))
    if not taken and asked.get("WaitTimeSeconds"):
        return _receive_later(queue, asked)
    return _received(taken, asked)


async def _receive_later(queue: Queue, asked: dict[str, Any]) -> bytes:
    deadline = time.monotonic() + asked["WaitTimeSeconds"]
    taken: list[Message] = []
    while not taken and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_S)
        taken = queue.receive(
            asked.get("MaxNumberOfMessages", 1), asked.get("VisibilityTimeout", 30)
        )
    return _received(taken, asked)


def _received(taken: list[Message], asked: dict[str, Any]) -> bytes:
    names = asked.get("MessageSystemAttributeNames") or asked.get("AttributeNames") or []
    messages = []
    for message in taken:
        shown: dict[str, Any] = {
            "MessageId": str(message.number),
            "ReceiptHandle": message.receipt,
            "Body": message.body,
            "MD5OfBody": _md5(message.body),
        }
        if names:
            known = {
                "ApproximateReceiveCount": str(message.times_received),
                "SentTimestamp": str(message.sent_ms),
                "ApproximateFirstReceiveTimestamp": str(message.first_received_ms),
            }
            shown["Attributes"] = {n: v for n, v in known.items() if n in names or "All" in names}
        messages.append(shown)
    return _json({"Messages": messages} if messages else {})


def _entries(asked: dict[str, Any]) -> list[dict[str, Any]]:
    entries = asked["Entries"]
    if not entries:
        raise Refused("EmptyBatchRequest")
    if len(entries) > _MOST:
        raise Refused("TooManyEntriesInBatchRequest")
    return entries


def _sent(message: Message) -> dict[str, Any]:
    return {"MessageId": str(message.number), "MD5OfMessageBody": _md5(message.body)}


def _md5(body: str) -> str:
    return hashlib.md5(body.encode()).hexdigest()


def _json(body: dict[str, Any], status: int = 200) -> bytes:
    return answer(status, json.dumps(body).encode(), "Content-Type: application/x-amz-json-1.0")
