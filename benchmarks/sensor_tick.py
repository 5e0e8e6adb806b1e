"""Ticks of the listing sensor: a whole pass over a large source that is indexed.

Every tick has to stay within its budget of 5 s (`S3PIPELINES_LISTING_BUDGET_S`), with the
comparison and all that is written down; Dagster gives a sensor up after 60 s.
"""

import math
import shutil
import statistics
import tempfile
from pathlib import Path

from benchmarks.fakes3 import FakeS3
from benchmarks.measuring import Measured, contend
from benchmarks.reporting import table

_BUDGET_S = 5
_LATENCIES_MS = (0, 30)
_SOURCE = "maps"
_MERGES = 10
_CHANGES = 1000
# A pass over ten million objects takes a quarter of an hour and more; so many ticks tell enough.
_MOST_TICKS = 60
_MOST_OBJECTS_TWICE = 2_000_000
_HEAD = (
    "index", "latency ms", "ticks", "median s", "p99 s", "max s", "keys a tick", "peak MB"
)  # fmt: skip


def run(objects: int, rounds: int) -> str:
    """One table over all ticks of `rounds` passes.

    Raises:
        Unavailable: There is no fake server.
    """
    rows: list[list[str]] = []
    with (
        FakeS3([objects]) as server,
        tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as folder,
    ):
        environment = server.environment()
        fresh, merged = Path(folder, "fresh"), Path(folder, "merged")
        contend("register", fresh, _SOURCE, f"s3://syn-{objects}", environment=environment)
        contend("refresh", fresh, _SOURCE, environment=environment)
        layouts = {"as first written": fresh}
        if objects <= _MOST_OBJECTS_TWICE:
            shutil.copytree(fresh, merged)
            contend("unsettle_layout", merged, _SOURCE, _MERGES, _CHANGES)
            layouts[f"after {_MERGES} merges"] = merged
        for name, catalog in layouts.items():
            for latency_ms in _LATENCIES_MS:
                server.set_latency(latency_ms)
                passes = [
                    contend("whole_pass", catalog, _BUDGET_S, _MOST_TICKS, environment=environment)
                    for _ in range(rounds)
                ]
                rows.append([name, str(latency_ms), *_row(passes)])
    title = f"{objects:,} objects, budget {_BUDGET_S} s, {rounds} passes"
    return f"**{title}**\n\n{table(_HEAD, rows)}"


def _row(passes: list[Measured]) -> list[str]:
    ticks = sorted(tick for one in passes for tick in one.said["ticks"])
    counts = [len(one.said["ticks"]) for one in passes]
    return [
        str(round(statistics.median(counts))),
        f"{statistics.median(ticks):.2f}",
        f"{ticks[math.ceil(len(ticks) * 0.99) - 1]:.2f}",
        f"{ticks[-1]:.2f}",
        f"{sum(one.said['keys'] for one in passes) / sum(counts):,.0f}",
        f"{max(one.peak_mb for one in passes):.0f}",
    ]
