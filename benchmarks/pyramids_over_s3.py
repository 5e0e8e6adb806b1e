"""One large photograph from S3 to S3 at 90 MB/s, beside the same conversion of a local file.

Ours is a run over a source of one object: index read, ETag checked, decoded while it arrives,
compared with the image, hashed, uploaded with checksums, a row in the catalog. The local one is the
same conversion from file to file. The shell downloads, converts and uploads, one after the other,
and compares nothing.
"""

import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.fakes3 import FakeS3
from benchmarks.measuring import contend, measure
from benchmarks.narrow_link import NarrowLink
from benchmarks.programs import s5cmd
from benchmarks.reporting import spread, table

_WIDTH_PX, _HEIGHT_PX = 12_000, 9_000
_FULL_OBJECTS = 1000
_MB_PER_S = 90
_PHOTOGRAPHS, _MADE, _SOURCE = "photographs", "made", "maps"
_HEAD = ("contender", "wall s", "beside the local file", "CPU s")
_SHELL = """
set -e
cd "$1"
"$2" --endpoint-url "$3" cp 's3://photographs/photo.jpg' in.jpg
vips tiffsave in.jpg made.tif --tile --pyramid --compression jpeg --Q 85 \\
    --tile-width 256 --tile-height 256
"$2" --endpoint-url "$3" cp made.tif 's3://made/shell/photo.tif'
"""
_LOCAL = "s3pipelines, local file, verified"

Runs = dict[str, list[tuple[float, float]]]


def run(objects: int, rounds: int) -> str:
    """A table; below 1,000 `objects` the photograph is smaller in proportion.

    Raises:
        Unavailable: There is no fake server, no scikit-image, or no s5cmd.
    """
    scale = min(1.0, objects / _FULL_OBJECTS)
    width_px, height_px = (max(512, round(side * scale)) for side in (_WIDTH_PX, _HEIGHT_PX))
    copier = s5cmd()
    runs: Runs = defaultdict(list)
    with (
        FakeS3() as server,
        NarrowLink(server.endpoint, _MB_PER_S) as link,
        tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as name,
    ):
        folder = Path(name)
        photo = folder / "photo.jpg"
        contend("make_large_photograph", photo, width_px, height_px)
        straight = server.environment()
        contend("upload_photograph", photo, _PHOTOGRAPHS, _MADE, environment=straight)
        narrow = straight | {"AWS_ENDPOINT_URL": link.endpoint}
        indexed = folder / "indexed"
        contend("register", indexed, _SOURCE, f"s3://{_PHOTOGRAPHS}", environment=narrow)
        contend("refresh", indexed, _SOURCE, environment=narrow)
        for turn in range(rounds):
            catalog = folder / f"catalog-{turn}"
            shutil.copytree(indexed, catalog)
            _play_round(photo, catalog, narrow, copier, runs)
        size_mb = photo.stat().st_size / 1e6
    title = f"{width_px:,} x {height_px:,}, JPEG of {size_mb:.0f} MB, {_MB_PER_S} MB/s"
    return f"**{title}**, median of {rounds} (least to most)\n\n{_rows(runs)}"


def _play_round(
    photo: Path, catalog: Path, narrow: dict[str, str], copier: str, runs: Runs
) -> None:
    local = contend("pyramid_by_us", photo, photo.with_name("made.tif")).said
    proving = local["proving"]
    runs[_LOCAL].append((local["work_s"], local["cpu_s"]))
    runs["of it verification"].append((proving["wall_s"], proving["cpu_s"]))
    target = f"s3://{_MADE}/ours/{{source}}"
    ours = contend("pyramids_by_us", catalog, _SOURCE, target, environment=narrow)
    if ours.said["made"] != 1:
        raise AssertionError(f"no pyramid was made: {ours.said['failed']}")
    runs["s3pipelines, S3 to S3, verified"].append((ours.said["work_s"], ours.cpu_s))
    if shutil.which("vips"):
        with tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as folder:
            arguments = [folder, copier, narrow["AWS_ENDPOINT_URL"]]
            shell = measure(["bash", "-c", _SHELL, "bash", *arguments], narrow)
        runs["`s5cmd`, `vips`, `s5cmd`, not verified"].append((shell.wall_s, shell.cpu_s))


def _rows(runs: Runs) -> str:
    rows: list[list[str]] = []
    for name, results in runs.items():
        walls, cpus = zip(*results, strict=True)
        beside = [wall / local for wall, (local, _) in zip(walls, runs[_LOCAL], strict=True)]
        rows.append([name, spread(walls, 2), spread(beside, 2), spread(cpus, 2)])
    return table(_HEAD, rows)
