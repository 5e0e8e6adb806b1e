"""Asking the index: statements and pages, by the project and by what people know.

The same rows, sorted by key, are a catalog of the project, one Parquet file, and a table of SQLite
with indexes on key and size. All are in files of this machine and, but for SQLite's, in a fake S3
that is some milliseconds away; only pandas holds them in memory.
"""

import statistics
import tempfile

from benchmarks.contenders.asking_objects import STATEMENTS
from benchmarks.fakes3 import FakeS3, Unavailable
from benchmarks.measuring import contend
from benchmarks.reporting import table

CONTENDERS = (
    "s3pipelines",
    "s3pipelines, its view",
    "its files, listed",
    "DuckDB, one file",
    "sqlite",
    "pandas",
)
_OVER_S3 = ("s3pipelines", "s3pipelines, its view", "DuckDB, one file", "pandas")
_LATENCY_MS = 30
_BUCKET = "asking"
_PAGES = ("s3pipelines", "DuckDB OFFSET", "sqlite OFFSET")
# Of the objects that the listing selects, whatever their number.
_FAR = 0.5


def run(objects: int, rounds: int) -> str:
    """Ask everything `rounds` times after once to warm up, and compare the answers."""
    with tempfile.TemporaryDirectory(prefix="s3pipelines-asking-") as folder:
        said = contend("fill_objects", folder, objects).said
        written = ", ".join(f"{name} {seconds:.1f}" for name, seconds in said.items())
        parts = [f"Written: {written}", _statements(folder, rounds)]
        try:
            parts.append(_over_s3(folder, rounds))
        except Unavailable as error:
            parts.append(f"Not over S3: {error}")
        return "\n\n".join([*parts, _pages(folder, objects, rounds)])


def _over_s3(folder: str, rounds: int) -> str:
    """Each statement to a session of its own, then to the same one again."""
    rows: list[list[str]] = []
    with FakeS3() as server:
        environment = server.environment()
        contend("upload_objects", folder, _BUCKET, environment=environment)
        server.set_latency(_LATENCY_MS)
        for contender in _OVER_S3:
            times: list[str] = []
            for question in STATEMENTS:
                arguments = ("ask_objects", f"s3://{_BUCKET}", contender, rounds, question)
                seconds = contend(*arguments, environment=environment).said["seconds"][question]
                times.append(f"{seconds[0]:.2f}, then {min(seconds[1:]):.2f}")
            rows.append([contender, *times])
    head = [f"over S3, {_LATENCY_MS} ms away: the first time, then at best, s", *STATEMENTS]
    return table(head, rows)


def _statements(folder: str, rounds: int) -> str:
    rows: list[list[str]] = []
    answers: dict[str, str] | None = None
    for contender in CONTENDERS:
        measured = contend("ask_objects", folder, contender, rounds)
        answers = answers or measured.said["answers"]
        if measured.said["answers"] != answers:
            raise AssertionError(f"{contender} gives other answers: {measured.said['answers']}")
        seconds = measured.said["seconds"]
        warm = [_best_and_median(seconds[question][1:]) for question in STATEMENTS]
        # A process of its own that asks each of them once, interpreter and imports included.
        cold = contend("ask_objects", folder, contender, 0)
        rows.append([contender, *warm, f"{cold.wall_s:.1f}", f"{measured.peak_mb:.0f}"])
    head = ["warm: best / median, s", *STATEMENTS, "all, cold process", "peak, MB"]
    return table(head, rows)


def _pages(folder: str, objects: int, rounds: int) -> str:
    rows: list[list[str]] = []
    for sort in ("key", "size_bytes"):
        for offset in (0, int(objects * _FAR)):
            said = contend("page_objects", folder, sort, offset, rounds).said
            if len({str(said[way]["answer"]) for way in _PAGES}) > 1:
                raise AssertionError(f"Pages differ: {said}")
            times = [_best_and_median(said[way]["seconds"]) for way in _PAGES]
            rows.append([f"by {sort}, behind {offset:,}", *times])
    return table(["a page of 50: best / median, s", *_PAGES], rows)


def _best_and_median(seconds: list[float]) -> str:
    return f"{min(seconds):.3f} / {statistics.median(seconds):.3f}"
