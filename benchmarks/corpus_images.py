"""Real files that image libraries stumble over: a whole run, each hard one alone, plain libraries.

The files are in the shared folder and no part of this project. `--objects` does not matter here.
"""

import shutil
import statistics
import tempfile
from pathlib import Path

from benchmarks.fakes3 import FakeS3, shared_path
from benchmarks.measuring import Measured, contend
from benchmarks.reporting import spread, table

_BUCKET, _MADE, _SOURCE = "corpus", "made", "corpus"
# What lifts the limit that each library has against such a file, so that the file is decoded.
_PLAIN = {
    "17000x17000.avif": {
        "pyvips": ("plain_pyvips",),
        "pyvips, `[unlimited]`": ("plain_pyvips", "[unlimited]"),
        "Pillow": ("plain_pillow", "on"),
        "Pillow, `MAX_IMAGE_PIXELS = None`": ("plain_pillow", "off"),
    },
    "big-height.webp": {
        "pyvips": ("plain_pyvips",),
        "pyvips, `[n=-1]` (all frames)": ("plain_pyvips", "[n=-1]"),
        "Pillow": ("plain_pillow", "on"),
    },
}
_BROKEN = (
    "truncated.jpg",
    "truncated.gif",
    "truncated.svgz",
    "invalid_multiframe.gif",
    "looks-like-svg.webp",
    "ojpeg-strip.tif",
    "ojpeg-tile.tif",
)
_OUTCOME_CHARACTERS = 90


def run(objects: int, rounds: int) -> str:
    """The whole run, the hard files, and the bombs beside plain libraries.

    Raises:
        Unavailable: There are no such files, or no fake server.
    """
    del objects
    folder = shared_path("corpus/images")
    whole = _whole_runs(folder, rounds)
    return "\n\n".join([whole, _alone(folder, rounds), _beside_plain_libraries(folder, rounds)])


def _whole_runs(folder: Path, rounds: int) -> str:
    with FakeS3() as server, tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as scratch:
        environment = server.environment()
        indexed = Path(scratch, "indexed")
        said = contend("upload_folder", folder, _BUCKET, _MADE, environment=environment).said
        contend("register", indexed, _SOURCE, f"s3://{_BUCKET}", environment=environment)
        contend("refresh", indexed, _SOURCE, environment=environment)
        runs: list[Measured] = []
        for number in range(rounds):
            catalog = Path(scratch, str(number))
            shutil.copytree(indexed, catalog)
            target = f"s3://{_MADE}/{number}/{{source}}"
            runs.append(contend("work_through", catalog, _SOURCE, target, environment=environment))
    title = f"**{said['files']} files, {said['bytes'] / 1e6:.1f} MB**"
    return f"{title}, median of {rounds} (least to most)\n\n{_run_table(runs)}\n\n{_rows(runs)}"


def _run_table(runs: list[Measured]) -> str:
    def of(name: str, digits: int) -> str:
        return spread([one.said[name] for one in runs], digits)

    head = (
        "wall s", "headers s", "thumbnails s", "CPU s",
        "peak MB of the parent", "of the largest worker", "of all (PSS)", "workers started",
    )  # fmt: skip
    row = [
        spread([one.wall_s for one in runs]),
        of("headers_s", 2),
        of("thumbnails_s", 2),
        spread([one.cpu_s for one in runs]),
        of("parent_mb", 0),
        of("worker_mb", 0),
        spread([one.tree_mb for one in runs], 0),
        of("workers", 0),
    ]
    return table(head, [row])


def _rows(runs: list[Measured]) -> str:
    """How many rows of each table by outcome; the same in all rounds, or it is an error."""
    outcomes = runs[0].said["outcomes"]
    for one in runs:
        if one.said["outcomes"] != outcomes:
            raise AssertionError(f"{one.said['outcomes']} is not {outcomes}")
    headers, thumbnails = outcomes["images"], outcomes["derivatives"]
    reasons = sorted({*headers, *thumbnails} - {"made"})
    rows = [
        [name, str(headers.get(name, 0)), str(thumbnails.get(name, 0))]
        for name in ("made", *reasons)
    ]
    return table(("outcome", "headers", "thumbnails"), rows)


def _alone(folder: Path, rounds: int) -> str:
    rows: list[list[str]] = []
    for name in (*_PLAIN, *_BROKEN):
        runs = [contend("decode_one", folder / name) for _ in range(rounds)]
        idle_mb = statistics.median(one.said["idle_mb"] for one in runs)
        worker_mb = spread([one.said["worker_mb"] for one in runs], 0)
        rows.append(
            [f"`{name}`", _outcome(runs[0]), _milliseconds(runs), worker_mb, f"{idle_mb:.0f}"]
        )
    head = ("one file, one worker", "outcome", "ms", "peak MB of the worker", "of it idle")
    return table(head, rows)


def _beside_plain_libraries(folder: Path, rounds: int) -> str:
    rows: list[list[str]] = []
    for name, contenders in _PLAIN.items():
        for title, (contender, *options) in contenders.items():
            runs = [contend(contender, folder / name, *options) for _ in range(rounds)]
            peak_mb = spread([one.peak_mb for one in runs], 0)
            rows.append([f"`{name}`", title, _outcome(runs[0]), _milliseconds(runs), peak_mb])
    return table(("file", "library", "outcome", "ms", "peak MB"), rows)


def _outcome(measured: Measured) -> str:
    text = measured.said["outcome"].replace("|", "/")
    return text if len(text) <= _OUTCOME_CHARACTERS else f"{text[:_OUTCOME_CHARACTERS]}…"


def _milliseconds(runs: list[Measured]) -> str:
    return spread([one.said["seconds"] * 1e3 for one in runs], 0)
