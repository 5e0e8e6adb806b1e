"""`kill -9` at random moments, of workers over 1,000 images, and of whole runs over 300."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging.missing import count_missing
from s3pipelines.core.imaging.wishes import Work
from s3pipelines.core.imaging.work import run
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.sql.session import open_session
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.imaging.conftest import MakePool
from tests.core.imaging.pictures import file_of, quadrants

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

WORK = Work("all", "thumbnail")
# Its own process, with a temporary folder of its own, as a step of a run is.
RUN = """
import sys
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging import work
from s3pipelines.core.storage.locations import parse_location
work._SLICE_OBJECTS = 50
work.run(Catalog(parse_location(sys.argv[1])), work.Work("all", "thumbnail"))
"""


@pytest.fixture
def images(request: pytest.FixtureRequest) -> int:
    """How many images the source has."""
    return request.param


@pytest.fixture
def source(local_catalog: Catalog, bucket, s3, images: int) -> Catalog:
    """A source of so many images, indexed."""
    body = file_of(quadrants(600, 400), "JPEG")
    keys = [f"{number:04}.jpg" for number in range(images)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=body), keys))
    create_source(local_catalog, "all", f"s3://{bucket}")
    refresh_index(local_catalog, "all")
    return local_catalog


def outcomes(catalog: Catalog) -> Counter[str | None]:
    """How many objects have which outcome; each has one row that holds."""
    with open_session(catalog) as session:
        rows = session.run("SELECT key, error FROM derivatives").read_all().to_pylist()
    assert len({row["key"] for row in rows}) == len(rows)
    return Counter(row["error"] for row in rows)


@pytest.mark.parametrize("images", [1000], indirect=True)
def test_workers_killed_at_random_cost_an_outcome_each_and_nothing_else(
    source: Catalog, make_pool: MakePool, images: int
):
    others = _workers()
    pool = make_pool()
    ended = threading.Event()

    kills = 0

    def kill() -> None:
        nonlocal kills
        # Twice as often, and most of the test is the start of workers.
        while not ended.wait(random.uniform(0.1, 0.6)):
            with suppress(ProcessLookupError, IndexError):
                os.kill(random.choice(pool.pids()), signal.SIGKILL)
                kills += 1

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        report = run(source, WORK, pool=pool)
    finally:
        ended.set()
        killer.join()

    assert kills > 5, "the work was over too soon"
    found = outcomes(source)
    assert report.objects == sum(found.values()) == images
    assert set(found) <= {None, "crashed"}
    assert run(source, WORK, pool=pool).failures == 0  # The kills are over.
    assert outcomes(source) == {None: images}
    pool.close()
    assert _workers() == others


@pytest.mark.parametrize("images", [300], indirect=True)
def test_whole_runs_killed_at_random_lose_nothing_and_leave_no_process_or_file(
    source: Catalog, tmp_path: Path, pool, images: int
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    assert isinstance(source.location, FolderLocation)
    kills = 0
    while count_missing(source, WORK, pool.reader_version):
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(source.location.path)],
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        with suppress(subprocess.TimeoutExpired):
            process.wait(random.uniform(1, 3) if kills < 4 else 120)
        children = psutil.Process(process.pid).children(recursive=True) if _runs(process) else []
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == []

    assert kills > 0
    assert outcomes(source) == {None: images}
    derivatives = source.location.path / "derivatives" / "all"
    files = [path for path in derivatives.rglob("*") if path.is_file()]
    assert len([path for path in files if path.suffix == ".webp"]) == images
    # What was being written when it was killed is named as such, and is no thumbnail.
    assert all(".unfinished-" in path.name for path in files if path.suffix != ".webp")
    # The locks of the budget that all processes of this machine share are not of one run.
    assert [path.name for path in temporary.iterdir()] == [f"s3pipelines-{os.getuid()}"]


def _runs(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


def _workers() -> set[int]:
    """The decode workers of this process, whose other tests may have some, too."""
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if _is_worker(child)}


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "s3pipelines.core.imaging.worker" in process.cmdline()
    except psutil.Error:
        return False
