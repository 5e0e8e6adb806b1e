"""S3 and SQS in one fast process, for a chaos test: `python -m tests.chaos.server --port 0`.

It prints its port. S3 is addressed by path, SQS by X-Amz-Target, signatures are not looked at, and
all state is in memory. What happens is controlled below `/_ctl`:

- `POST /_ctl/play?bucket=B&seed=1&events=N&keys=K` prepares a history (more: `queue`, `duplicates`,
  `lost`, `window`); the bucket and the queue (`chaos`) are made where they do not exist.
- `POST /_ctl/release?events=M` lets the next M events happen (`bucket`: of which play; the last).
- `GET /_ctl/state` tells what there is; `GET /_ctl/objects?bucket=B` each object, a line each.
"""

import argparse
import asyncio
import gc
import json
from collections import Counter
from collections.abc import Awaitable

from tests.chaos.buckets import S3, Bucket
from tests.chaos.history import Play, history, messages
from tests.chaos.queues import SQS, Queue
from tests.chaos.wire import Connection, Request, answer


class Chaos:
    """All state of the server."""

    def __init__(self) -> None:
        self.s3 = S3()
        self.sqs = SQS()
        self._plays: dict[str, Play] = {}
        self._last = ""
        self._asked: Counter[str] = Counter()

    def handle(self, request: Request) -> bytes | Awaitable[bytes]:
        if request.path.startswith("/_ctl/"):
            return self._control(request)
        if b"x-amz-target" in request.headers:
            kind, said = self.sqs.handle(request)
        else:
            kind, said = self.s3.handle(request)
        self._asked[kind] += 1
        return said

    def _control(self, request: Request) -> bytes:
        query = request.query
        match request.method, request.path.removeprefix("/_ctl/"):
            case "POST", "play":
                return _json(self._play(query))
            case "POST", "release":
                play = self._plays.get(query.get("bucket", self._last))
                if play is None:
                    return answer(404, b"There is no play of this bucket.\n")
                return _json({"now": play.release(int(query["events"])), **self._state()})
            case "GET", "state":
                return _json(self._state())
            case "GET", "objects" if query.get("bucket") in self.s3.buckets:
                return answer(200, _lines(self.s3.buckets[query["bucket"]]))
        return answer(404, b"See the head of tests/chaos/server.py.\n")

    def _play(self, query: dict[str, str]) -> dict[str, object]:
        name, seed = query["bucket"], int(query.get("seed", 0))
        window = int(query.get("window", 100))
        made = history(seed, int(query["events"]), int(query["keys"]))
        told = messages(
            seed,
            len(made),
            duplicates=float(query.get("duplicates", 0.05)),
            lost=float(query.get("lost", 0.05)),
            window=window,
        )
        bucket = self.s3.buckets.setdefault(name, Bucket())
        queue = self.sqs.queues.setdefault(query.get("queue", "chaos"), Queue())
        self._plays[name] = Play(name, bucket, queue, made, told, window)
        self._last = name
        # A history of a million events would be looked through again and again.
        gc.freeze()
        arriving = [message for each in told for message in each]
        return {
            "events": len(made),
            "messages": len(arriving),
            "duplicates": len(arriving) - len(set(arriving)),
            "lost_events": len(made) - sum(map(len, set(arriving))),
        }

    def _state(self) -> dict[str, object]:
        for queue in self.sqs.queues.values():
            queue.expire()
        return {
            "released": sum(play.released for play in self._plays.values()),
            "total": sum(play.total for play in self._plays.values()),
            "queue_visible": sum(len(queue.visible) for queue in self.sqs.queues.values()),
            "queue_in_flight": sum(len(queue.in_flight) for queue in self.sqs.queues.values()),
            "objects": sum(len(bucket.objects) for bucket in self.s3.buckets.values()),
            "requests": dict(self._asked),
        }


def _lines(bucket: Bucket) -> bytes:
    return "".join(
        json.dumps(
            {
                "key": key,
                "size": stored.size,
                "etag": stored.etag,
                "last_modified": stored.last_modified,
            }
        )
        + "\n"
        for key, stored in bucket.objects.items()
    ).encode()


def _json(body: object) -> bytes:
    return answer(200, json.dumps(body).encode(), "Content-Type: application/json")


async def serve(port: int) -> None:
    """Serve for ever; the port that was taken is printed."""
    chaos = Chaos()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(chaos.handle), "127.0.0.1", port, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="S3 and SQS for a chaos test.")
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
