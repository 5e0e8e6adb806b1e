"""Several processes that refresh at once: nothing is lost, nothing doubled, and what it costs.

Each refresh that wrote names the version that it made; afterwards the table must hold exactly
these versions, with the rows that were named, no key twice in any of them, and the last one must
agree with the bucket. On moto, whose conditional PUT is real; the catalog in a folder and on S3.
"""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.fakes3 import Unavailable
from benchmarks.measuring import contend
from benchmarks.reporting import spread, table

_OBJECTS = 500
_HEAD = (
    "catalog", "writers", "refreshes", "wrote", "lost or doubled",
    "s a refresh", "wall s", "objects changed meanwhile",
)  # fmt: skip

Refreshes = list[dict[str, Any]]


def run(objects: int, rounds: int) -> str:  # noqa: ARG001 - moto lists ten pages a second
    """One table; a lost commit or a doubled row raises.

    Raises:
        Unavailable: moto is not installed.
    """
    from s3pipelines.core.errors import InvalidInput
    from s3pipelines.services.moto import MotoServer

    rows: list[list[str]] = []
    try:
        with MotoServer() as server, tempfile.TemporaryDirectory() as folder:
            environment = server.environment()
            contend("fill", "catalogs", 0, environment=environment)
            for number in range(rounds):
                for home in (f"{folder}/{number}", f"s3://catalogs/{number}"):
                    for sources, processes, times in ((1, 2, 10), (8, 8, 5)):
                        buckets = [
                            f"r{number}-{processes}-{name(home)}-{i}" for i in range(sources)
                        ]
                        scene = _Scene(f"{home}/{processes}", buckets, environment)
                        rows.append([name(home), *scene.play(processes, times)])
    except InvalidInput as error:
        raise Unavailable(str(error)) from error
    title = f"{_OBJECTS} objects a source, objects changing all the while, {rounds} rounds"
    return f"**{title}**\n\n{table(_HEAD, sorted(rows))}"


def name(home: str) -> str:
    """What kind of catalog it is."""
    return "s3" if home.startswith("s3://") else "folder"


class _Scene:
    """Sources in buckets of their own, and processes that refresh them."""

    def __init__(self, catalog: str, buckets: list[str], environment: dict[str, str]) -> None:
        self._catalog = catalog
        self._buckets = buckets
        self._environment = environment

    def play(self, processes: int, times: int) -> list[str]:
        joined = ",".join(self._buckets)
        self._contend("fill", joined, _OBJECTS)
        for bucket in self._buckets:
            self._contend("register", self._catalog, bucket, f"s3://{bucket}")
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(processes + 1) as pool:
            stop = Path(folder, "stop")
            changing = pool.submit(self._contend, "keep_changing", joined, stop)
            started = time.perf_counter()
            writers = [self._buckets[i % len(self._buckets)] for i in range(processes)]
            results = list(pool.map(lambda source: self._refresh(source, times), writers))
            wall_s = time.perf_counter() - started
            stop.touch()
            changes = changing.result()["changes"]
        done: dict[str, Refreshes] = {source: [] for source in self._buckets}
        for source, refreshes in zip(writers, results, strict=True):
            done[source] += refreshes
        wrote = sum(self._verify(source, refreshes) for source, refreshes in done.items())
        refreshes = [one for result in results for one in result]
        return [
            f"{processes} on {len(self._buckets)} source{'s'[: len(self._buckets) - 1]}",
            str(len(refreshes)),
            str(wrote),
            "0",
            spread([one["seconds"] for one in refreshes], 2),
            f"{wall_s:.1f}",
            f"{changes:,}",
        ]

    def _refresh(self, source: str, times: int) -> Refreshes:
        return self._contend("refresh_repeatedly", self._catalog, source, times)["refreshes"]

    def _verify(self, source: str, refreshes: Refreshes) -> int:
        """How many refreshes wrote; the last one, when nothing changes any more, is added."""
        all_done = [*refreshes, *self._refresh(source, 1)]
        wrote = [one for one in all_done if one["wrote"] != "nothing"]
        named = {str(one["version"]): one["rows"] for one in wrote}
        found = self._contend("verify", self._catalog, source)["rows_by_version"]
        if len(named) != len(wrote) or named != found:
            raise AssertionError(f"refreshes made {wrote}, the table has {found}")
        return sum(one["wrote"] != "nothing" for one in refreshes)

    def _contend(self, contender: str, *arguments: object) -> dict[str, Any]:
        return contend(contender, *arguments, environment=self._environment).said
