"""One large photograph on this machine → a pyramid TIFF: ours beside `vips` and ImageMagick.

The photograph is a JPEG with the grain of a sensor, of 108 megapixels and about 96 MB; then one of
a gigapixel. Everybody makes tiles of 256 px in JPEG of quality 85. Ours is the function that a run
calls, with its confined worker; that compares what it wrote with the image before it gives it back,
which the others do not, so what that takes stands apart. The worker is running before the clock
starts, as in a run.
"""

import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.measuring import Measured, contend, measure
from benchmarks.reporting import spread, table

_SIZES = {"A photograph of 108 MP": (12_000, 9_000), "A gigapixel": (32_768, 32_768)}
# With fewer "objects" than that, sides are shorter: to see whether all of it works.
_FULL_OBJECTS = 1000
# ImageMagick holds the whole image, at 16 bits a channel: more than most machines have.
_MOST_MAGICK_PX = 200_000_000
_HEAD = ("contender", "wall s", "CPU s", "peak MB of its largest process", "MB made")
_POLICY = """<policymap>
  <policy domain="resource" name="memory" value="16GiB"/>
  <policy domain="resource" name="map" value="16GiB"/>
  <policy domain="resource" name="width" value="128KP"/>
  <policy domain="resource" name="height" value="128KP"/>
  <policy domain="resource" name="area" value="16GP"/>
  <policy domain="resource" name="disk" value="64GiB"/>
</policymap>
"""
_VIPS = (
    "tiffsave", "{photo}", "{made}", "--tile", "--pyramid", "--compression", "jpeg", "--Q", "85",
    "--tile-width", "256", "--tile-height", "256",
)  # fmt: skip
_MAGICK = (
    "{photo}", "-define", "tiff:tile-geometry=256x256", "-compress", "jpeg", "-quality", "85",
    "ptif:{made}",
)  # fmt: skip

Row = tuple[float, float, float | None, float]
Runs = dict[str, list[Row]]


def run(objects: int, rounds: int) -> str:
    """A table for each photograph; below 1,000 `objects` they are smaller in proportion.

    Raises:
        Unavailable: There is no scikit-image, of whose pictures the photographs are made.
    """
    scale = min(1.0, objects / _FULL_OBJECTS)
    parts: list[str] = []
    for title, full in _SIZES.items():
        width_px, height_px = (max(512, round(side * scale)) for side in full)
        with tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as folder:
            photo = Path(folder, "photo.jpg")
            contend("make_large_photograph", photo, width_px, height_px)
            runs: Runs = defaultdict(list)
            for _ in range(rounds):
                _play_round(photo, width_px * height_px, runs)
            size_mb = photo.stat().st_size / 1e6
        head = f"**{title}, {width_px:,} x {height_px:,}, JPEG of {size_mb:.0f} MB**"
        parts.append(f"{head}, median of {rounds} (least to most)\n\n{_rows(runs)}")
    return "\n\n".join(parts)


def _play_round(photo: Path, pixels: int, runs: Runs) -> None:
    """Contenders take turns within a round, so that noise of the machine meets all of them."""
    made = photo.with_name("made.tif")
    ours = contend("pyramid_by_us", photo, made)
    said, made_mb = ours.said, made.stat().st_size / 1e6
    saving, proving = said["saving"], said["proving"]
    runs["s3pipelines, without verification"].append(
        (saving["wall_s"], saving["cpu_s"], None, made_mb)
    )
    runs["its verification"].append((proving["wall_s"], proving["cpu_s"], None, 0.0))
    runs["s3pipelines, all of it"].append((said["work_s"], said["cpu_s"], ours.peak_mb, made_mb))
    if program := shutil.which("vips"):
        runs["`vips tiffsave`"].append(_by_program(program, _VIPS, photo, made))
    if pixels <= _MOST_MAGICK_PX and (program := _magick()):
        runs["ImageMagick `ptif:`"].append(_by_program(program, _MAGICK, photo, made))


def _by_program(program: str, arguments: tuple[str, ...], photo: Path, made: Path) -> Row:
    made.unlink()
    (photo.parent / "policy.xml").write_text(_POLICY)
    words = [word.format(photo=photo, made=made) for word in arguments]
    environment = {"MAGICK_CONFIGURE_PATH": str(photo.parent)}
    measured: Measured = measure([program, *words], environment)
    return measured.wall_s, measured.cpu_s, measured.peak_mb, made.stat().st_size / 1e6


def _magick() -> str | None:
    """ImageMagick 7 or 6, by names that nothing else has."""
    names = ("magick", "convert-im6.q16", "convert-im7.q16")
    return next((path for name in names if (path := shutil.which(name))), None)


def _rows(runs: Runs) -> str:
    rows: list[list[str]] = []
    for name, results in runs.items():
        walls, cpus, peaks, made = zip(*results, strict=True)
        known = [peak for peak in peaks if peak is not None]
        rows.append(
            [
                name,
                spread(walls, 2),
                spread(cpus, 2),
                spread(known, 0) if known else "",
                spread(made) if any(made) else "",
            ]
        )
    return table(_HEAD, rows)
