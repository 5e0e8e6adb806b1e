"""Server-side copies across buckets, and deletes, beside s5cmd and rclone; the verbs alone."""

from collections import defaultdict

from benchmarks.fakes3 import FakeS3
from benchmarks.measuring import Measured, contend, measure
from benchmarks.programs import rclone, s5cmd
from benchmarks.reporting import spread, table

_LATENCIES_MS = (0, 30)
_MOST_OBJECTS = 10_000
_LONGEST_S = 60
_SOURCE = "originals"
_HEAD = ("contender", "wall s", "of it the work s", "objects/s", "of the work", "CPU s", "peak MB")

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
    with FakeS3() as server:
        # Not one of its synthetic buckets: s5cmd leaves out what is in an archive.
        server.make_bucket(_SOURCE, number)
        for bucket in ("by-s5cmd", "by-us", "by-rclone"):
            server.make_bucket(bucket)
        for latency_ms in _LATENCIES_MS:
            server.set_latency(latency_ms)
            runs: Runs = defaultdict(list)
            for _ in range(rounds):
                _one_round(runs, server, program, number)
            title = f"{number:,} objects, {latency_ms} ms a request"
            parts.append(
                f"**{title}**, median of {rounds} (least to most)\n\n{_rows(runs, number)}"
            )
    return "\n\n".join(parts)


def _one_round(runs: Runs, server: FakeS3, program: str, objects: int) -> None:
    """Each copies into an empty bucket; what it copied is deleted, by us and by s5cmd in turn."""
    environment = server.environment()
    call = [program, "--endpoint-url", server.endpoint]
    runs["`s5cmd cp`"].append(
        measure([*call, "cp", f"s3://{_SOURCE}/*", "s3://by-s5cmd/"], environment)
    )
    _check(environment, "by-s5cmd", objects)
    runs["`s5cmd rm`"].append(measure([*call, "rm", "s3://by-s5cmd/*"], environment))
    _check(environment, "by-s5cmd", 0)
    runs["our `copy`"].append(contend("copy_all", _SOURCE, "by-us", environment=environment))
    _check(environment, "by-us", objects)
    runs["our `delete_many`"].append(contend("delete_all", "by-us", environment=environment))
    _check(environment, "by-us", 0)
    _rclone(runs, server, objects)


def _rclone(runs: Runs, server: FakeS3, objects: int) -> None:
    many = ("--transfers", "64", "--checkers", "64")
    buckets = (f"{{remote}}{_SOURCE}", "{remote}by-rclone")
    measured = rclone(server, _LONGEST_S, "copy", *many, *buckets)
    if measured is None:
        return
    environment = server.environment()
    _check(environment, "by-rclone", objects)
    runs["`rclone copy`, 64 transfers"].append(measured)
    contend("delete_all", "by-rclone", environment=environment)


def _check(environment: dict[str, str], bucket: str, objects: int) -> None:
    there = contend("count_keys", bucket, environment=environment).said["objects"]
    if there != objects:
        raise AssertionError(f"{bucket} has {there} objects, not {objects}")


def _rows(runs: Runs, objects: int) -> str:
    rows: list[list[str]] = []
    for name, measured in runs.items():
        work = [one.said["work_s"] for one in measured if "work_s" in one.said]
        rows.append(
            [
                name,
                spread([one.wall_s for one in measured], 2),
                spread(work, 2) if work else "all",
                spread([objects / one.wall_s for one in measured], 0),
                spread([objects / work_s for work_s in work], 0) if work else "",
                spread([one.cpu_s for one in measured], 2),
                spread([one.peak_mb for one in measured], 0),
            ]
        )
    return table(_HEAD, rows)
