"""The plan of a copy of every object of a source: how long it takes, and how much memory."""

import tempfile

from benchmarks.fakes3 import FakeS3
from benchmarks.measuring import contend
from benchmarks.reporting import table

_HEAD = ("objects", "index s", "plan s", "CPU s", "peak MB", "shards")


def run(objects: int, rounds: int) -> str:  # noqa: ARG001 - once: it takes minutes
    """A row for a tenth of the objects, and one for all.

    Raises:
        Unavailable: There is no fake server.
    """
    sizes = [objects // 10, objects]
    rows: list[list[str]] = []
    with FakeS3(sizes) as server:
        server.make_bucket("targets")
        environment = server.environment()
        for size in sizes:
            with tempfile.TemporaryDirectory() as catalog:
                contend("register", catalog, "all", f"s3://syn-{size}", environment=environment)
                index = contend("refresh", catalog, "all", environment=environment)
                plan = contend("plan_copies", catalog, "all", "targets", environment=environment)
            figures = (index.wall_s, plan.wall_s, plan.cpu_s, plan.peak_mb)
            shards = f"{plan.said['shards']}"
            rows.append([f"{size:,}", *(f"{figure:.0f}" for figure in figures), shards])
    return table(_HEAD, rows)
