"""A refresh of the index of a large source, beside clients that only list it."""

import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.fakes3 import FakeS3
from benchmarks.measuring import Measured, contend, measure, sizes, written_mb
from benchmarks.programs import rclone, s5cmd
from benchmarks.reporting import spread, table

_LATENCIES_MS = (0, 30)
_CHANGES = 1000
_RCLONE_LONGEST_S = 600
_SOURCE = "maps"
_HEAD = (
    "contender", "wall s", "of it listing s", "CPU s", "peak MB", "written MB", "changes"
)  # fmt: skip

Runs = dict[str, list[tuple[Measured, float | None]]]


def run(objects: int, rounds: int) -> str:
    """Tables for each latency.

    Raises:
        Unavailable: There is no fake server or no s5cmd.
    """
    program = s5cmd()
    parts: list[str] = []
    with FakeS3([objects]) as server:
        for latency_ms in _LATENCIES_MS:
            server.set_latency(latency_ms)
            runs: Runs = defaultdict(list)
            for number in range(rounds):
                _one_round(runs, server, program, objects)
                if not number:
                    _rclone(runs, server, objects)
            title = f"{objects:,} objects, {latency_ms} ms a request"
            parts.append(f"**{title}**, median of {rounds} (least to most)\n\n{_rows(runs)}")
    return "\n\n".join(parts)


def _one_round(runs: Runs, server: FakeS3, program: str, objects: int) -> None:
    """Contenders take turns within a round, so that noise of the machine meets all of them."""
    environment = server.environment()
    bucket = f"syn-{objects}"
    command = [program, "--endpoint-url", server.endpoint, "ls", f"s3://{bucket}/*"]
    runs["`s5cmd ls`"].append((measure(command, environment), None))
    listed = contend("list_with_obstore", bucket, environment=environment)
    runs["obstore, serial"].append((listed, None))
    _list_sorted(runs, environment, bucket, objects)
    with tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as folder:
        catalog = Path(folder, "catalog")
        contend("register", catalog, _SOURCE, f"s3://{bucket}", environment=environment)
        for name in ("first refresh", "unchanged refresh", f"refresh of {_CHANGES:,} changes"):
            if name.startswith("refresh"):
                contend("alter_index", catalog, _SOURCE, _CHANGES, "scattered")
            before = sizes(catalog / "tables")
            measured = contend("refresh", catalog, _SOURCE, environment=environment)
            runs[name].append((measured, written_mb(catalog / "tables", before)))
            _check(measured, objects)


def _rclone(runs: Runs, server: FakeS3, objects: int) -> None:
    """Once, as it takes minutes."""
    bucket = f"{{remote}}syn-{objects}"
    measured = rclone(server, _RCLONE_LONGEST_S, "lsf", "-R", "--fast-list", bucket)
    if measured is not None:
        runs["`rclone lsf -R --fast-list`"].append((measured, None))


def _list_sorted(runs: Runs, environment: dict[str, str], bucket: str, objects: int) -> None:
    """The listing alone, to sorted files: without an index, and with one that is out of date."""
    with tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as folder:
        cold, known, seeded = (Path(folder, name) for name in ("cold", "known.json", "seeded"))
        measured = contend("list_sorted", bucket, cold, environment=environment)
        runs["listing to sorted files"].append((measured, None))
        contend("spoil_keys", cold, known)
        stale = contend("list_sorted", bucket, seeded, known, environment=environment)
        runs["the same, 10 % of the known keys changed"].append((stale, None))
        _check(measured, objects)
        _check(stale, objects)


def _check(measured: Measured, objects: int) -> None:
    if measured.said["rows"] != objects:
        raise AssertionError(f"the index has {measured.said['rows']} rows, not {objects}")


def _rows(runs: Runs) -> str:
    rows: list[list[str]] = []
    for name, results in runs.items():
        measured = [one for one, _ in results]
        written = [mb for _, mb in results if mb is not None]
        said = [one.said for one in measured]
        refreshed = "wrote" in said[0]
        rows.append(
            [
                name,
                spread([one.wall_s for one in measured]),
                spread([one["list_s"] for one in said]) if refreshed else "all",
                spread([one.cpu_s for one in measured]),
                spread([one.peak_mb for one in measured], 0),
                spread(written) if written else "",
                f"{said[0]['changed']:,} by {said[0]['wrote']}" if refreshed else "",
            ]
        )
    return table(_HEAD, rows)
