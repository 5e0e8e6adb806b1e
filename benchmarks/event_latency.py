"""From an upload to its row in the index, in the set-up of the demo: events, sensor, run, commit.

The uploads come at moments that have nothing to do with the ticks of the sensor. The embedded S3
(moto), Dagster's webserver and daemon, and the runs share this machine.
"""

import math
import random
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.reporting import table
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.views import index_now
from s3pipelines.demo.collection import PHOTOGRAPHS, Upload, first_uploads
from s3pipelines.demo.derived import wait_until_derived
from s3pipelines.demo.expected import wait_until_indexed
from s3pipelines.demo.stage import register_sources, set_up
from s3pipelines.services.ports import free_port
from s3pipelines.services.session import Ports, project_session

_MOST_S = 120
_HEAD = ("uploads", "median s", "p95 s", "max s")


def run(objects: int, rounds: int) -> str:
    """One table over 20 uploads a round; `objects` is of no meaning here.

    Raises:
        NotAllThere: The demo did not get to rest.
    """
    del objects
    chance = random.Random(7)
    with (
        tempfile.TemporaryDirectory(prefix="s3pipelines-bench-") as folder,
        set_up(Path(folder)) as stage,
    ):
        stage.upload(first_uploads())
        register_sources(stage)
        with project_session(stage.context.catalog, Ports(free_port(), free_port())) as services:
            wait_until_indexed(stage, _MOST_S, services.check)
            wait_until_derived(stage, _MOST_S, services.check)
            seconds: list[float] = []
            for number in range(20 * rounds):
                time.sleep(chance.uniform(1, 6))
                upload = Upload(PHOTOGRAPHS, f"museum/later/{number}.txt", b"text")
                started = time.monotonic()
                stage.upload([upload])
                _wait_for(stage.context.catalog, upload.key)
                seconds.append(time.monotonic() - started)
    seconds.sort()
    row = [
        str(len(seconds)),
        f"{statistics.median(seconds):.1f}",
        f"{seconds[math.ceil(len(seconds) * 0.95) - 1]:.1f}",
        f"{seconds[-1]:.1f}",
    ]
    return table(_HEAD, [row])


def _wait_for(catalog: Catalog, key: str) -> None:
    with connect(catalog, delta=True) as connection:
        query = f"SELECT count(*) FROM ({index_now(catalog)}) WHERE key = ?"
        while not connection.execute(query, [key]).fetchall()[0][0]:
            time.sleep(0.1)
