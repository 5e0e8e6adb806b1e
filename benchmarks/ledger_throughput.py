"""Events of a busy bucket: how many a second get into the ledger, and into the index.

All of them wait in the queue at the start. S3 and SQS are the fast fake of the chaos test, in a
process of its own on the same machine, without latency: the client is measured. `--objects` is the
number of keys; there are half as many events.
"""

import tempfile
from pathlib import Path

from benchmarks.measuring import Measured, contend
from benchmarks.reporting import spread, table
from tests.chaos.client import running_server

_SOURCE = "maps"
_HEAD = (
    "way", "events", "messages", "keys asked", "s", "events a second", "CPU s", "peak MB",
    "bytes in the ledger an event", "commits of the ledger", "MB of its log",
)  # fmt: skip
_WAYS = {"queue to ledger": ("drain_queue",), "queue to index": ("queue_to_index", _SOURCE)}


def run(objects: int, rounds: int) -> str:
    """One table."""
    events = objects // 2
    rows = [
        _row(way, [_take_in(events, objects, *contender) for _ in range(rounds)])
        for way, contender in _WAYS.items()
    ]
    title = f"{events:,} events of {objects:,} keys, 5 % told twice, 5 % lost"
    return f"**{title}**\n\n{table(_HEAD, rows)}"


def _take_in(events: int, keys: int, contender: str, *arguments: str) -> Measured:
    with (
        running_server() as server,
        tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as folder,
    ):
        catalog = Path(folder, "catalog")
        environment = {
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_ENDPOINT_URL": server.url,
            "AWS_REGION": "us-east-1",
        }
        server.control(f"play?bucket=maps&seed=1&events={events}&keys={keys}")
        contend("register", catalog, _SOURCE, "s3://maps", environment=environment)
        contend("refresh", catalog, _SOURCE, environment=environment)
        server.control(f"release?events={events}")
        measured = contend(
            contender, catalog, server.queue_url, *arguments, environment=environment
        )
        state = server.control("state", "GET")
    if state["queue_visible"] or state["queue_in_flight"]:
        raise AssertionError(f"the queue is not empty: {state}")
    return measured


def _row(way: str, runs: list[Measured]) -> list[str]:
    said = [one.said for one in runs]
    return [
        way,
        f"{said[0]['hints']:,}",
        f"{said[0]['messages']:,}",
        f"{said[0].get('asked', 0):,}",
        spread([one["s"] for one in said]),
        spread([one["hints"] / one["s"] for one in said], 0),
        spread([one.cpu_s for one in runs]),
        spread([one.peak_mb for one in runs], 0),
        spread([one["ledger_bytes"] / one["hints"] for one in said], 0),
        f"{said[0]['commits']:,}",
        spread([one["log_bytes"] / 1e6 for one in said], 2),
    ]
