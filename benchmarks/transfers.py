"""Uploads and downloads of many small files and of a large one, beside s5cmd and the AWS CLI.

All use the fake server with the same files. What ours costs more than bytes: `upload` and
`data register` prove by checksums what S3 holds, `data register` also writes the index, and
`data download` compares every file with its SHA-256. The server tells no checksums but MD5s, so
that ours has to compute these, too, as s5cmd does. `started` is the rate without the time that
Python and libraries take to be there.
"""

import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fakes3 import FakeS3
from benchmarks.measuring import Measured, contend, measure
from benchmarks.programs import aws_cli, s5cmd
from benchmarks.reporting import spread, table

_LATENCIES_MS = (0, 30)
_MOST_FILES, _SMALL_BYTES = 1000, 100_000
_LARGE_BYTES, _LEAST_LARGE_BYTES = 1_000_000_000, 64_000_000
_BUCKET, _SOURCE = "transfers", "maps"
_HEAD = (
    "contender",
    "wall s",
    "of it starting s",
    "MB/s",
    "files/s",
    "started",
    "CPU s",
    "peak MB",
)

Runs = dict[str, list[Measured]]


def run(objects: int, rounds: int) -> str:
    """A table for each latency and kind of files.

    Args:
        objects: At most 1,000 small files are used; with fewer, the large one is smaller, too.
        rounds: How often each contender runs.

    Raises:
        Unavailable: There is no fake server or no s5cmd.
    """
    files = min(objects, _MOST_FILES)
    large_bytes = max(_LEAST_LARGE_BYTES, _LARGE_BYTES * files // _MOST_FILES)
    parts: list[str] = []
    with tempfile.TemporaryDirectory(prefix="s3pipelines-bench-", dir=_in_memory()) as folder:
        scenes = (
            _filled(Path(folder, "small"), files, _SMALL_BYTES),
            _filled(Path(folder, "large"), 1, large_bytes),
        )
        for scene in scenes:
            for latency_ms in _LATENCIES_MS:
                runs: Runs = defaultdict(list)
                for _ in range(rounds):
                    _upload(runs, scene, latency_ms)
                    _download(runs, scene, latency_ms)
                title = f"{scene.files:,} x {scene.size_bytes / 1e6:,.1f} MB"
                head = f"**{title}, {latency_ms} ms a request**, median of {rounds}"
                parts.append(f"{head} (least to most)\n\n{_rows(runs, scene)}")
    return "\n\n".join(parts)


def _in_memory() -> str | None:
    """Where files cost no disk, which would still be writing those of the contender before."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


@dataclass(frozen=True)
class _Scene:
    folder: Path
    files: int
    size_bytes: int

    def require_in(self, folder: Path) -> None:
        """All files have arrived, whole."""
        found = [path for path in folder.rglob("*") if path.is_file() and path.suffix == ".bin"]
        assert len(found) == self.files, f"{len(found)} of {self.files} files"
        assert {path.stat().st_size for path in found} == {self.size_bytes}


def _filled(folder: Path, files: int, size_bytes: int) -> _Scene:
    folder.mkdir()
    for number in range(files):
        with (folder / f"{number:04d}.bin").open("wb") as file:
            for _ in range(0, size_bytes, 1_000_000):
                file.write(os.urandom(min(1_000_000, size_bytes - file.tell())))
    return _Scene(folder, files, size_bytes)


@contextmanager
def _server(latency_ms: int) -> Iterator[FakeS3]:
    with FakeS3() as server:
        server.make_bucket(_BUCKET)
        server.set_latency(latency_ms)
        yield server


def _upload(runs: Runs, scene: _Scene, latency_ms: int) -> None:
    """Each finds an empty server."""
    s3 = f"s3://{_BUCKET}/new/"
    for name, command in _programs(f"{scene.folder}/", s3).items():
        with _server(latency_ms) as server:
            call = [word.replace("{endpoint}", server.endpoint) for word in command]
            runs[f"upload: {name}"].append(measure(call, server.environment()))
    with _server(latency_ms) as server, tempfile.TemporaryDirectory() as catalog:
        ours = contend("upload_files", catalog, scene.folder, s3, environment=server.environment())
        assert ours.said["files"] == scene.files, ours.said
        runs["upload: our `upload`"].append(ours)
    with _server(latency_ms) as server, tempfile.TemporaryDirectory() as catalog:
        runs["upload: our `data register`"].append(_registered(server, catalog, scene))


def _download(runs: Runs, scene: _Scene, latency_ms: int) -> None:
    """All fetch what ours has uploaded."""
    with _server(0) as server, tempfile.TemporaryDirectory() as catalog:
        _registered(server, catalog, scene)
        server.set_latency(latency_ms)
        with tempfile.TemporaryDirectory(dir=scene.folder.parent) as here:
            programs = _programs(f"s3://{_BUCKET}/new/*", f"{here}/")
        for name, command in programs.items():
            with _empty(here):
                call = [word.replace("{endpoint}", server.endpoint) for word in command]
                runs[f"download: {name}"].append(measure(call, server.environment()))
                scene.require_in(Path(here))
        with _empty(here):
            environment = server.environment()
            ours = contend("download_files", catalog, _SOURCE, here, environment=environment)
            scene.require_in(Path(here))
            runs["download: our `data download`"].append(ours)


def _registered(server: FakeS3, catalog: str, scene: _Scene) -> Measured:
    environment = server.environment()
    contend("register", catalog, _SOURCE, f"s3://{_BUCKET}/new", environment=environment)
    ours = contend("register_files", catalog, _SOURCE, scene.folder, environment=environment)
    assert ours.said["files"] == scene.files, ours.said
    return ours


@contextmanager
def _empty(folder: str) -> Iterator[None]:
    Path(folder).mkdir()
    try:
        yield
    finally:
        shutil.rmtree(folder)


def _programs(origin: str, target: str) -> dict[str, list[str]]:
    """How the others copy, by their names."""
    found = {"`s5cmd cp`": [s5cmd(), "--endpoint-url", "{endpoint}", "cp", origin, target]}
    if (aws := aws_cli()) is not None:
        words = ["--endpoint-url", "{endpoint}", "--recursive", "--only-show-errors"]
        found["`aws s3 cp`"] = [aws, "s3", "cp", *words, origin.removesuffix("*"), target]
    return found


def _rows(runs: Runs, scene: _Scene) -> str:
    rows: list[list[str]] = []
    total_mb = scene.files * scene.size_bytes / 1e6
    for name, measured in sorted(
        runs.items(), key=lambda one: one[0].partition(":")[0], reverse=True
    ):
        walls = [one.wall_s for one in measured]
        work = [one.said["work_s"] for one in measured if "work_s" in one.said]
        starting = [wall_s - work_s for wall_s, work_s in zip(walls, work, strict=False)]
        rows.append(
            [
                name,
                spread(walls, 2),
                spread(starting, 2) if starting else "",
                spread([total_mb / wall_s for wall_s in walls], 0),
                spread([scene.files / wall_s for wall_s in walls], 0),
                spread([scene.files / work_s for work_s in work], 0) if work else "",
                spread([one.cpu_s for one in measured], 2),
                spread([one.peak_mb for one in measured], 0),
            ]
        )
    return table(_HEAD, rows)
