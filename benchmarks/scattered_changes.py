"""A few changes, scattered over a large index, at each refresh: into the tail, or merged at once.

What S3 said is in the ledger already, so nothing but taking it in is in the figures. A change is an
overwritten object; they lie evenly over all keys, which is the worst case of a merge.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measuring import Measured, contend, sizes
from benchmarks.reporting import spread, table
from tests.chaos.client import running_server

_SOURCE = "maps"
_CHANGES = 1000
_REFRESHES = 20
# So much is in the tail when it is merged by itself (`core/index/upkeep.py`).
_DUE = 100_000
_HEAD = (
    "step", "times", "s", "CPU s", "peak MB", "MB in objects", "MB in tail", "MB of logs"
)  # fmt: skip
_QUESTIONS = ("count", "page", "group")

Written = dict[str, float]


def run(objects: int, rounds: int) -> str:
    """Two tables: of writing, and of reading with and without a tail."""
    with tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as folder:
        fresh = Path(folder, "fresh")
        with running_server() as server:
            server.control("play?bucket=maps&events=0&keys=1")
            keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
            environment = {**keys, "AWS_ENDPOINT_URL": server.url, "AWS_REGION": "us-east-1"}
            contend("register", fresh, _SOURCE, "s3://maps", environment=environment)
        contend("fill_index", fresh, _SOURCE, objects)
        reads = {"no tail": _reads(fresh, rounds)}
        rows = [_row("merge at once", *_merges(fresh, Path(folder, "merged"), rounds))]
        refreshes = [_refresh(fresh, number, _CHANGES) for number in range(_REFRESHES)]
        rows.append(_row("refresh", *_apart(refreshes)))
        tail_rows = _REFRESHES * _CHANGES
        reads[f"tail of {tail_rows:,}"] = _reads(fresh, rounds)
        # Just not due, so that what it takes can be measured by itself.
        most = int((_DUE - tail_rows) * 0.98)
        rows.append(_row(f"refresh of {most:,}", *_apart([_refresh(fresh, 0, most)])))
        reads[f"tail of {_DUE:,}"] = _reads(fresh, rounds)
        rows.append(_row("merge of the tail", *_apart([_step(fresh, "fold_tail")])))
        reads["merged, tail not removed"] = _reads(fresh, rounds)
        cleaned = _cleaned(fresh)
    title = f"{objects:,} rows, {_CHANGES:,} overwritten at each refresh"
    return f"**{title}**\n\n{table(_HEAD, rows)}\n\n{_read_table(reads)}\n\n{cleaned}"


def _cleaned(catalog: Path) -> str:
    """What is left of the folder once no old version is kept."""
    before = sum(sizes(catalog).values()) / 1e6
    measured = contend("remove_old", catalog)
    after = sum(sizes(catalog).values()) / 1e6
    spent = f"{measured.said['s']:.1f} s, {measured.peak_mb:.0f} MB at the peak"
    return (
        f"Upkeep that keeps no old version: {before:.0f} MB before, {after:.0f} MB after; {spent}"
    )


def _merges(fresh: Path, copy: Path, rounds: int) -> tuple[list[Measured], list[Written]]:
    done = []
    for number in range(rounds):
        # By links: Delta writes new files and never into old ones.
        shutil.copytree(fresh, copy, copy_function=os.link)
        contend("answer", copy, _SOURCE, number, _CHANGES)
        done.append(_step(copy, "merge_at_once"))
        shutil.rmtree(copy)
    return _apart(done)


def _refresh(catalog: Path, number: int, changes: int) -> tuple[Measured, Written]:
    contend("answer", catalog, _SOURCE, number, changes)
    return _step(catalog, "apply")


def _step(catalog: Path, contender: str) -> tuple[Measured, Written]:
    before = sizes(catalog)
    measured = contend(contender, catalog, _SOURCE)
    if not measured.said["changed"]:
        raise AssertionError(f"{contender} changed nothing")
    return measured, _written(catalog, before)


def _written(catalog: Path, before: Mapping[Path, int]) -> Written:
    """MB of new files by where they lie; what a checkpoint takes is among the logs."""
    found: Written = {"objects": 0.0, "objects_tail": 0.0, "changes": 0.0, "logs": 0.0}
    for path, size in sizes(catalog).items():
        if path not in before:
            inner = path.relative_to(catalog)
            part = "logs" if "_delta_log" in inner.parts else inner.parts[1]
            if part in found:  # Documents are a few bytes.
                found[part] += size / 1e6
    return found


def _apart(done: list[tuple[Measured, Written]]) -> tuple[list[Measured], list[Written]]:
    return [one for one, _ in done], [written for _, written in done]


def _row(name: str, runs: list[Measured], written: list[Written]) -> list[str]:
    ways = "/".join(sorted({one.said["wrote"] for one in runs}))
    return [
        f"{name} ({ways})",
        str(len(runs)),
        spread([one.said["s"] for one in runs]),
        spread([one.said["cpu_s"] for one in runs]),
        spread([one.peak_mb for one in runs], 0),
        spread([one["objects"] for one in written]),
        spread([one["objects_tail"] for one in written], 2),
        spread([one["logs"] for one in written], 3),
    ]


def _reads(catalog: Path, rounds: int) -> list[Measured]:
    return [contend("read_index", catalog, _SOURCE) for _ in range(rounds)]


def _read_table(reads: dict[str, list[Measured]]) -> str:
    names = [f"{name}{end}" for name in _QUESTIONS for end in ("", "_warm")]
    rows = [
        [
            state,
            *(spread([one.said[name] for one in runs], 2) for name in names),
            spread([one.peak_mb for one in runs], 0),
        ]
        for state, runs in reads.items()
    ]
    head = [f"{name.replace('_', ', ')} s" for name in names]
    return table(("index", *head, "peak MB"), rows)
