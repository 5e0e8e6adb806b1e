"""What is asked of a catalog whose 1,000,000 images all have headers and thumbnails.

The rows of `images` and `derivatives` came in commits of 5,000, the newest objects first, as a
backfill leaves them: hundreds of small files. In one layout each file has a range of keys, in the
other one keys from everywhere. Every question is put by a process that has asked nothing before,
within the default memory limit of 512 MB.
"""

import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.measuring import Measured, contend
from benchmarks.reporting import spread, table

_ARRIVED = 1000
_LAYOUTS = ("by key", "by arrival")
# Title of each of its times, the question, its detail; more than one time are asked in a row.
_ASKED = (
    (("`count_missing` of headers, none",), "count_missing", "header"),
    (("`count_missing` of thumbnails, none",), "count_missing", "thumbnail"),
    (("sensor, first tick", "sensor, second tick (warm)"), "search", ""),
    (("`checks.unreadable`",), "unreadable", ""),
    (("`summary.by_format`",), "by_format", ""),
    (("`samples.choose`",), "choose", ""),
    (
        ("gallery, first page", "gallery, page in the middle (warm)", "gallery, the next (warm)"),
        "pages",
        "all",
    ),
    (("gallery, page in the middle",), "middle_page", ""),
    (("gallery, failures", "the same, middle (warm)", "the next (warm)"), "pages", "failed"),
    (("`SELECT count(*) FROM images`",), "sql", "SELECT count(*) FROM images"),
    (
        ("`SELECT count(*) FROM derivatives WHERE error IS NOT NULL`",),
        "sql",
        "SELECT count(*) FROM derivatives WHERE error IS NOT NULL",
    ),
)
_ASKED_AFTER_ARRIVALS = (
    ((f"`count_missing` of headers, {_ARRIVED:,}",), "count_missing", "header"),
    ((f"`count_missing` of thumbnails, {_ARRIVED:,}",), "count_missing", "thumbnail"),
    (("`missing`, its first item of headers",), "first_missing", "header"),
    (("`missing`, its first item of thumbnails",), "first_missing", "thumbnail"),
)
_HEAD = ("question", "ms", "CPU s of the process", "peak MB of the process", "answer")

Answers = dict[str, list[tuple[Measured, float]]]


def run(objects: int, rounds: int) -> str:
    """A table for each layout."""
    parts: list[str] = []
    with tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as folder:
        for layout in _LAYOUTS:
            catalog = Path(folder, layout.replace(" ", "-"))
            filled = contend("fill_catalog", catalog, objects, layout).said
            answers: Answers = defaultdict(list)
            for _ in range(rounds):
                _ask(answers, catalog, _ASKED)
            contend("add_objects", catalog, _ARRIVED)
            for _ in range(rounds):
                _ask(answers, catalog, _ASKED_AFTER_ARRIVALS)
            title = f"{objects:,} images, {filled['commits']} commits of each table, {layout}"
            parts.append(f"**{title}**, median of {rounds} (least to most)\n\n{_rows(answers)}")
    return "\n\n".join(parts)


def _ask(
    answers: Answers, catalog: Path, asked: tuple[tuple[tuple[str, ...], str, str], ...]
) -> None:
    for titles, question, detail in asked:
        measured = contend("ask", catalog, question, detail)
        for title, seconds in zip(titles, measured.said["seconds"], strict=True):
            answers[title].append((measured, seconds))


def _rows(answers: Answers) -> str:
    rows: list[list[str]] = []
    before: Measured | None = None
    for title, results in answers.items():
        measured = [one for one, _ in results]
        row = [title, spread([seconds * 1e3 for _, seconds in results], 0)]
        if measured[0] is before:  # What the process took stands beside its first question.
            rows.append([*row, "", "", ""])
            continue
        before = measured[0]
        said = before.said["answer"]
        rows.append(
            [
                *row,
                spread([one.cpu_s for one in measured]),
                spread([one.peak_mb for one in measured], 0),
                f"{said:,}" if isinstance(said, int) else f"`{said}`",
            ]
        )
    return table(_HEAD, rows)
