"""Ticks of the listing sensor: a whole pass over a large source that is indexed.

Every tick has to stay far below the 60 s after which Dagster gives a sensor up; its budget is 5 s
(`S3PIPELINES_LISTING_BUDGET_S`), and the comparison of the last slice comes on top of it.
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
        shutil.copytree(fresh, merged)
        contend("unsettle_layout", merged, _SOURCE, _MERGES, _CHANGES)
        layouts = {"as first written": fresh, f"after {_MERGES} merges": merged}
        for name, catalog in layouts.items():
            for latency_ms in _LATENCIES_MS:
                server.set_latency(latency_ms)
                passes = [
                    contend("whole_pass", catalog, _BUDGET_S, environment=environment)
                    for _ in range(rounds)
                ]
                rows.append([name, str(latency_ms), *_row(passes, objects)])
    title = f"{objects:,} objects, budget {_BUDGET_S} s, {rounds} passes"
    return f"**{title}**\n\n{table(_HEAD, rows)}"


def _row(passes: list[Measured], objects: int) -> list[str]:
    ticks = sorted(tick for one in passes for tick in one.said["ticks"])
    counts = [len(one.said["ticks"]) for one in passes]
    return [
        str(round(statistics.median(counts))),
        f"{statistics.median(ticks):.2f}",
        f"{ticks[math.ceil(len(ticks) * 0.99) - 1]:.2f}",
        f"{ticks[-1]:.2f}",
        f"{objects / statistics.median(counts):,.0f}",
        f"{max(one.peak_mb for one in passes):.0f}",
    ]
