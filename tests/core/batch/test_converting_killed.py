"""Conversions whose workers, or whose whole process, are killed at random moments."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from s3pipelines.core.batch import workshop
from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.report import report_on
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging.conversion.audit import audit_conversions
from s3pipelines.core.imaging.conversion.recipe import recipe_of
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.pool import DecodePool
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.sql.session import open_session
from tests.core.batch.plans import plan, undo
from tests.core.imaging.pictures import file_of, quadrants

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# 6.7 MB each, so that they go up in two parts.
LARGE = {
    "steps": [{"resize": {"width": 1500, "height": 1500, "fit": "exact"}}],
    "output": {"format": "tiff", "compression": "none"},
}
SMALL = {"steps": [{"resize": {"width": 100}}], "output": "webp"}
APPLY = """
import sys
from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.batch import making
from s3pipelines.core.batch.actions.convert import ConvertAction
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.storage.locations import parse_location
making.PART_BYTES = 5 * 1024 * 1024
ConvertAction.chunk_rows = 5
print("ready", flush=True)
apply_plan(Catalog(parse_location(sys.argv[1])), sys.argv[2])
"""


@pytest.fixture
def images(request: pytest.FixtureRequest, s3, bucket: str, index) -> int:
    """A source of so many images."""
    body = file_of(quadrants(240, 160), "JPEG")
    keys = [f"maps/{number:04}.jpg" for number in range(request.param)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=body), keys))
    index()
    return request.param


def outcomes(catalog: Catalog, made: Plan) -> Counter[str]:
    """How many rows have which outcome; each has one that holds."""
    with open_session(catalog) as session:
        how = "SELECT key, coalesce(error, outcome) AS how FROM operations"
        rows = session.run(f"{how} WHERE plan_id = '{made.id}'").read_all().to_pylist()
    assert len({row["key"] for row in rows}) == len(rows)
    return Counter(row["how"] for row in rows)


def files(s3: Any, bucket: str) -> dict[str, str]:
    """The SHA-256 of every object, each of which is what its metadata says."""
    found: dict[str, str] = {}
    for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        answer = s3.get_object(Bucket=bucket, Key=entry["Key"])
        found[entry["Key"]] = hashlib.sha256(answer["Body"].read()).hexdigest()
        assert answer["Metadata"]["s3pipelines-sha256"] == found[entry["Key"]]
    return found


def workers() -> set[int]:
    own = psutil.Process().children(recursive=True)
    found = set()
    for process in own:
        with suppress(psutil.Error):
            if "s3pipelines.core.imaging.worker" in process.cmdline():
                found.add(process.pid)
    return found


@pytest.mark.parametrize("images", [1000], indirect=True)
def test_killed_workers_cost_an_image_each_which_another_application_converts(
    batch_catalog: Catalog,
    images: int,
    s3,
    target_bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    pools: list[DecodePool] = []

    class KnownPool(DecodePool):
        def __init__(self, limits: Limits) -> None:
            super().__init__(limits)
            pools.append(self)

    monkeypatch.setattr(workshop, "DecodePool", KnownPool)
    made = plan(batch_catalog, "convert", to=f"s3://{target_bucket}", recipe=recipe_of(SMALL))
    others, ended, kills = workers(), threading.Event(), 0

    def kill() -> None:
        nonlocal kills
        # Twice as often, and most of the test is the start of workers.
        while not ended.wait(random.uniform(0.2, 1.0)):
            with suppress(ProcessLookupError, IndexError):
                os.kill(random.choice(pools[-1].pids()), signal.SIGKILL)
                kills += 1

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        apply_plan(batch_catalog, made.id)
    finally:
        ended.set()
        killer.join()

    assert kills > 10, "the work was over too soon"
    first = outcomes(batch_catalog, made)
    assert sum(first.values()) == images
    assert set(first) <= {"done", "crashed"}
    assert len(files(s3, target_bucket)) == first["done"]
    apply_plan(batch_catalog, made.id)
    assert outcomes(batch_catalog, made) == {"done": images}
    assert len(files(s3, target_bucket)) == images
    with DecodePool() as pool:
        verified = audit_conversions(batch_catalog, made.source_id, Selection(), pool)
    assert (verified.files, verified.faults) == (images, [])
    assert not s3.list_multipart_uploads(Bucket=target_bucket).get("Uploads")
    assert _files_below(temporary) == []
    assert workers() == others


@pytest.mark.parametrize("images", [40], indirect=True)
def test_killed_processes_leave_no_image_twice_no_file_and_no_upload(
    local_catalog: Catalog, images: int, s3, target_bucket: str, tmp_path: Path
):
    made = plan(local_catalog, "convert", to=f"s3://{target_bucket}", recipe=recipe_of(LARGE))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    kills = 0
    for _ in range(20):
        if not report_on(local_catalog, made.id).left:
            break
        process = subprocess.Popen(
            [sys.executable, "-c", APPLY, local_catalog.location.uri, made.id],
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()
        with suppress(subprocess.TimeoutExpired):
            process.wait(random.uniform(1, 4) if kills < 6 else 200)
        kills += process.poll() is None
        process.kill()
        process.wait()
        process.stdout.close()

    assert kills > 2, "the work was over too soon"
    assert outcomes(local_catalog, made) == {"done": images}
    found = files(s3, target_bucket)
    assert (len(found), len(set(found.values()))) == (images, 1)
    assert not s3.list_multipart_uploads(Bucket=target_bucket).get("Uploads")
    assert _files_below(temporary) == []
    assert undo(local_catalog, made).done == images
    assert files(s3, target_bucket) == {}


def _files_below(folder: Path) -> list[Path]:
    """What was left there, but for the locks of the machine's budget, which are nobody's data."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
