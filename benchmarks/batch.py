"""Plans of copies, verified moves and deletions, applied beside `s5cmd cp`, `mv` and `rm`."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.fakes3 import FakeS3
from benchmarks.measuring import Measured, contend, measure
from benchmarks.programs import aws_cli, rclone, s5cmd
from benchmarks.reporting import spread, table

_LATENCIES_MS = (0, 30)
_MOST_OBJECTS = 10_000
_FROM, _TO = "originals", "targets"
_HEAD = (
    "contender", "wall s", "first s", "plan s", "apply s", "objects/s", "of apply", "CPU s",
    "peak MB"
)  # fmt: skip
_LONGEST_S = 300
# As many at a time as s5cmd has.
_RCLONE = ("--transfers", "256", "--checkers", "256")
# What s5cmd calls it, our action, and what that is told.
_KINDS = (("cp", "copy"), ("mv", "move"), ("rm", "delete"))

Runs = dict[str, list[Measured]]


def run(objects: int, rounds: int) -> str:
    """A table for each latency.

    Args:
        objects: At most 10,000 of them are used.
        rounds: How often each contender runs.

    Raises:
        Unavailable: There is no fake server or no s5cmd.
    """
    program = s5cmd()
    number = min(objects, _MOST_OBJECTS)
    parts: list[str] = []
    for latency_ms in _LATENCIES_MS:
        runs: Runs = defaultdict(list)
        for round_ in range(rounds):
            for theirs, ours in _KINDS:
                _one(runs, program, theirs, ours, number, latency_ms)
                if not round_:
                    _slow_ones(runs, theirs, ours, number, latency_ms)
        title = f"{number:,} objects, {latency_ms} ms a request"
        parts.append(f"**{title}**, median of {rounds} (least to most)\n\n{_rows(runs, number)}")
    return "\n\n".join(parts)


def _one(runs: Runs, program: str, theirs: str, ours: str, objects: int, latency_ms: int) -> None:
    """Each finds the same objects in a server of its own; ours has one more, for a first plan."""
    command = [program, theirs, f"s3://{_FROM}/*", *([] if theirs == "rm" else [f"s3://{_TO}/"])]
    with _filled(objects, latency_ms) as server:
        call = [command[0], "--endpoint-url", server.endpoint, *command[1:]]
        runs[f"`s5cmd {theirs}`"].append(measure(call, server.environment()))
    with _filled(objects + 1, latency_ms) as server, tempfile.TemporaryDirectory() as catalog:
        environment = server.environment()
        contend("register", catalog, "originals", f"s3://{_FROM}", environment=environment)
        contend("refresh", catalog, "originals", environment=environment)
        measured = contend("apply_batch", catalog, ours, _TO, environment=environment)
        if measured.said["done"] != objects:
            raise AssertionError(f"{ours}: {measured.said}")
        runs[f"our `{ours}`"].append(measured)


def _slow_ones(runs: Runs, theirs: str, ours: str, objects: int, latency_ms: int) -> None:
    """Those that nobody takes for the fastest, once, where they are installed."""
    has_target = theirs != "rm"
    with _filled(objects, latency_ms) as server:
        places = [f"{{remote}}{name}" for name in (_FROM, _TO)[: 1 + has_target]]
        measured = rclone(server, _LONGEST_S, ours, *places, *_RCLONE)
    if measured is not None:
        runs[f"`rclone {ours}`"].append(measured)
    if (aws := aws_cli()) is not None:
        with _filled(objects, latency_ms) as server:
            places = [f"s3://{name}" for name in (_FROM, _TO)[: 1 + has_target]]
            call = [aws, "--endpoint-url", server.endpoint, "s3", theirs, "--recursive"]
            measured = measure([*call, "--only-show-errors", *places], server.environment())
        runs[f"`aws s3 {theirs}`"].append(measured)


@contextmanager
def _filled(objects: int, latency_ms: int) -> Iterator[FakeS3]:
    with FakeS3() as server:
        server.make_bucket(_FROM, objects)
        server.make_bucket(_TO)
        server.set_latency(latency_ms)
        yield server


def _rows(runs: Runs, objects: int) -> str:
    rows: list[list[str]] = []
    for name, measured in runs.items():
        said = [one.said for one in measured if "apply_s" in one.said]
        applied = [one["apply_s"] for one in said]
        rows.append(
            [
                name,
                spread([one.wall_s for one in measured], 2),
                spread([one["first_s"] for one in said], 2) if said else "",
                spread([one["plan_s"] for one in said], 2) if said else "",
                spread(applied, 2) if said else "all",
                spread([objects / one.wall_s for one in measured], 0),
                spread([objects / apply_s for apply_s in applied], 0) if said else "",
                spread([one.cpu_s for one in measured], 2),
                spread([one.peak_mb for one in measured], 0),
            ]
        )
    return table(_HEAD, rows)
