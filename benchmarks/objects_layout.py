"""How the files of `objects` may be written: what each way takes to write, to keep and to ask.

The same rows, sorted by key, in files that a plain DuckDB is given as a list.
"""

import tempfile

from benchmarks.contenders.asking_objects import STATEMENTS
from benchmarks.contenders.laying_out import LAYOUTS
from benchmarks.measuring import contend
from benchmarks.reporting import table


def run(objects: int, rounds: int) -> str:
    """Write and ask every layout."""
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory(prefix="s3pipelines-layout-") as folder:
        contend("fill_rows", folder, objects)
        for name in LAYOUTS:
            written = contend("lay_out", folder, name)
            said = written.said
            asked = contend("ask_layout", folder, name, rounds).said
            times = [f"{min(asked[question]) * 1000:.0f}" for question in STATEMENTS]
            made = [f"{said['mb']:.1f}", f"{said['files']}", f"{said['s']:.1f}"]
            rows.append([name, *made, f"{written.peak_mb:.0f}", *times])
    head = ["layout", "MB", "files", "written in s", "peak MB"]
    return table([*head, *(f"{question}, ms" for question in STATEMENTS)], rows)
