"""1,000 photographs of 2 megapixels from S3 to S3, each made into something: ours beside others.

Ours is a whole run over a source: index read, ETags checked, decoded in confined processes, hashed,
a row each in the catalog, and pyramids compared with their images. The others only make pictures.
"""

import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fakes3 import FakeS3
from benchmarks.measuring import Measured, contend, measure
from benchmarks.programs import s5cmd
from benchmarks.reporting import spread, table

# Each photograph is an object of its own on the server, 0.6 MB in its memory.
_MOST_OBJECTS = 1000
_LATENCIES_MS = (0, 30)
_PHOTOGRAPHS, _MADE = "photographs", "made"
_SOURCE = "maps"
_HEAD = (
    "contender", "images/s", "wall s", "of it starting s", "CPU s", "CPU ms an image",
    "peak MB of all processes", "MB made",
)  # fmt: skip
_SHELL = """
set -e
cd "$1"
mkdir in out
"$2" --endpoint-url "$3" cp 's3://photographs/*' in/
{making}
"$2" --endpoint-url "$3" cp out/ "s3://made/$4"
"""

Runs = dict[str, list[tuple[Measured, float]]]


@dataclass(frozen=True)
class Contest:
    """What is made, and by whom.

    Attributes:
        ours: The contender that makes it as in production.
        pillow: The one that makes it with Pillow.
        program: The program that the shell makes it with.
        making: How: the line of a script that turns all of `in` into files of `out`.
    """

    ours: str
    pillow: str
    program: str
    making: str


def contest(how: Contest, objects: int, rounds: int) -> str:
    """A table for each latency, of `objects` photographs, at most 1,000.

    Raises:
        Unavailable: There is no fake server, no scikit-image, or no s5cmd.
    """
    count = min(objects, _MOST_OBJECTS)
    copier = s5cmd()
    parts: list[str] = []
    with FakeS3() as server, tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as folder:
        scene = _Scene(how, server, Path(folder), copier, count)
        for latency_ms in _LATENCIES_MS:
            server.set_latency(latency_ms)
            runs: Runs = defaultdict(list)
            for _ in range(rounds):
                scene.play_round(runs)
            title = f"{count:,} photographs of 2 MP ({scene.photographs_mb:.0f} MB)"
            head = f"**{title}, {latency_ms} ms a request**, median of {rounds} (least to most)"
            parts.append(f"{head}\n\n{_rows(runs, count)}")
    return "\n\n".join(parts)


class _Scene:
    """The server with photographs on it, and a catalog that has them indexed."""

    def __init__(self, how: Contest, server: FakeS3, folder: Path, copier: str, count: int) -> None:
        self._how = how
        self._server = server
        self._folder = folder
        self._copier = copier
        self._count = count
        self._environment = server.environment()
        self._turn = 0
        said = self._contend("fill_photographs", _PHOTOGRAPHS, count, _MADE).said
        self.photographs_mb = said["bytes"] / 1e6
        self._contend("register", folder / "indexed", _SOURCE, f"s3://{_PHOTOGRAPHS}")
        self._contend("refresh", folder / "indexed", _SOURCE)

    def play_round(self, runs: Runs) -> None:
        """Contenders take turns within a round, so that noise of the machine meets all of them."""
        self._turn += 1
        turn = f"{self._turn}-"
        catalog = self._folder / f"{turn}catalog"
        shutil.copytree(self._folder / "indexed", catalog)
        target = f"s3://{_MADE}/{turn}ours/{{source}}"
        ours = self._contend(self._how.ours, catalog, _SOURCE, target)
        runs["s3pipelines"].append((ours, self._made_mb(f"{turn}ours/")))
        prefix = f"{turn}pillow/"
        pillow = self._contend(self._how.pillow, _PHOTOGRAPHS, _MADE, prefix)
        runs["Pillow and boto3"].append((pillow, self._made_mb(prefix)))
        if shutil.which(self._how.program):
            shell = self._by_shell(f"{turn}shell/")
            name = f"`s5cmd`, `{self._how.program}`, `s5cmd`"
            runs[name].append((shell, self._made_mb(f"{turn}shell/")))

    def _by_shell(self, prefix: str) -> Measured:
        script = _SHELL.format(making=self._how.making)
        with tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as folder:
            arguments = [folder, self._copier, self._server.endpoint, prefix]
            return measure(["bash", "-c", script, "bash", *arguments], self._environment)

    def _made_mb(self, prefix: str) -> float:
        said = self._contend("count_objects", _MADE, prefix).said
        if said["objects"] != self._count:
            raise AssertionError(f"{prefix} has {said['objects']} objects, not {self._count}")
        return said["bytes"] / 1e6

    def _contend(self, name: str, *arguments: object) -> Measured:
        return contend(name, *arguments, environment=self._environment)


def _rows(runs: Runs, count: int) -> str:
    rows: list[list[str]] = []
    for name, results in runs.items():
        measured = [one for one, _ in results]
        starting = [one.wall_s - one.said["work_s"] for one in measured if one.said]
        rows.append(
            [
                name,
                spread([count / one.wall_s for one in measured], 0),
                spread([one.wall_s for one in measured]),
                spread(starting) if starting else "",
                spread([one.cpu_s for one in measured]),
                spread([one.cpu_s / count * 1e3 for one in measured]),
                spread([one.tree_mb for one in measured], 0),
                spread([mb for _, mb in results]),
            ]
        )
    return table(_HEAD, rows)
