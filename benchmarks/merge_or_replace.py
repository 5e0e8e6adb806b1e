"""Whether to merge changes into a source's partition or to write the partition anew.

`MERGE_UP_TO` in `core/index/commit.py` rests on this. The listing is already on disk, so nothing
but comparing and committing is in the figures; they need no server.
"""

import os
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.measuring import Measured, contend, sizes, written_mb
from benchmarks.reporting import spread, table

_SHARES = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.5)
_SHAPES = ("scattered", "together")
_WAYS = ("merge", "replacement")
_SOURCE = "maps"
_HEAD = (
    "changes", "lie", "merge s", "replacement s", "merge CPU s", "replacement CPU s",
    "merge MB", "replacement MB", "merge peak MB", "replacement peak MB",
)  # fmt: skip

Runs = dict[str, list[tuple[Measured, float]]]


def run(objects: int, rounds: int) -> str:
    """One table; `s` is the time of the commit alone, without the comparison before it."""
    with tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as folder:
        contend("make_base", folder, objects)
        rows = [
            _row(Path(folder), round(objects * share), shape, rounds)
            for share in _SHARES
            for shape in _SHAPES
        ]
    title = f"{objects:,} rows, median of {rounds} (least to most)"
    return f"**{title}**\n\n{table(_HEAD, rows)}"


def _row(folder: Path, changes: int, shape: str, rounds: int) -> list[str]:
    altered = folder / "altered"
    _copy(folder / "catalog", altered)
    contend("alter_index", altered, _SOURCE, changes, shape)
    runs: Runs = defaultdict(list)
    for _ in range(rounds):
        for way in _WAYS:
            runs[way].append(_commit(folder, altered, way, changes))
    shutil.rmtree(altered)
    said = {way: [one.said for one, _ in runs[way]] for way in _WAYS}
    return [
        f"{changes:,}",
        shape,
        *(spread([one["commit_s"] for one in said[way]], 2) for way in _WAYS),
        *(spread([one["commit_cpu_s"] for one in said[way]], 2) for way in _WAYS),
        *(spread([mb for _, mb in runs[way]]) for way in _WAYS),
        *(spread([one.peak_mb for one, _ in runs[way]], 0) for way in _WAYS),
    ]


def _commit(folder: Path, altered: Path, way: str, changes: int) -> tuple[Measured, float]:
    catalog = folder / "contended"
    _copy(altered, catalog)
    before = sizes(catalog)
    measured = contend("bring_up_to_date", folder, catalog, way)
    written = written_mb(catalog, before)
    shutil.rmtree(catalog)
    if measured.said["changed"] != changes:
        raise AssertionError(f"{measured.said['changed']} changes, not {changes}")
    return measured, written


def _copy(source: Path, target: Path) -> None:
    """By links: Delta writes new files and never into old ones, and copies would fill the cache."""
    shutil.copytree(source, target, copy_function=os.link)
