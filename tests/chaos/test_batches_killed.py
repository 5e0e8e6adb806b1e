"""Moves and deletions whose process is killed again and again, through a network that loses things.

`CHAOS_BATCH_OBJECTS` and `CHAOS_BATCH_KILLS` make it as large as one has time for.
"""

import os
import random
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.report import report_on
from s3pipelines.core.batch.undoing import make_undo_plan
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OPERATIONS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from tests.chaos.faults import faulty
from tests.core.batch.buckets import Held, contents
from tests.core.batch.plans import plan

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

OBJECTS = int(os.environ.get("CHAOS_BATCH_OBJECTS", "200"))
KILLS = int(os.environ.get("CHAOS_BATCH_KILLS", "8"))
FAULTS = 0.02
ROOT = Path(__file__).parents[2]


@pytest.fixture
def catalog(local_catalog: Catalog, s3) -> Catalog:
    s3.create_bucket(Bucket="chaos-trash")
    return replace(local_catalog, trash="s3://chaos-trash/kept")


@pytest.fixture(params=["plain", "versioned"])
def buckets(request: pytest.FixtureRequest, s3, catalog: Catalog) -> tuple[str, str]:
    """A full bucket that is a source, and an empty one."""
    names = (f"full-{uuid.uuid4().hex[:12]}", f"empty-{uuid.uuid4().hex[:12]}")
    for name in names:
        s3.create_bucket(Bucket=name)
        if request.param == "versioned":
            enabled = {"Status": "Enabled"}
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=enabled)
    for number in range(OBJECTS):
        s3.put_object(
            Bucket=names[0],
            Key=f"maps/{number:05d} ü.tif",
            Body=b"%d" % number,
            Metadata={"number": str(number)},
            Tagging=f"page={number}",
        )
    create_source(catalog, "maps", f"s3://{names[0]}/maps")
    refresh_index(catalog, "maps")
    return names


def applied(catalog: Catalog, made: Plan, endpoint: str, rng: random.Random, kills: int) -> int:
    """Apply a plan by processes that are killed, and at last by one that is not; kills made."""
    command = [sys.executable, "-m", "tests.chaos.batch_worker", catalog.location.uri]
    environment = {**os.environ, "AWS_ENDPOINT_URL": endpoint}
    killed = 0
    for attempt in range(kills + 20):
        worker = subprocess.Popen(
            [*command, str(catalog.trash), made.id],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert worker.stdout is not None
        worker.stdout.readline()
        if attempt < kills:
            time.sleep(rng.uniform(0, 2.5))
            killed += worker.poll() is None
            worker.kill()
        worker.wait()
        worker.stdout.close()
        if worker.returncode == 0:
            return killed
    raise AssertionError(f"The plan did not end: {report_on(catalog, made.id).reasons}")


def rows_per_object(catalog: Catalog, made: Plan) -> list[tuple[str, int]]:
    with connect(catalog) as connection:
        create_source_views(connection, catalog, "maps", OPERATIONS)
        return connection.execute(
            "SELECT outcome, count(*), count(DISTINCT key) FROM operations WHERE plan_id = ? "
            "GROUP BY ALL",
            [made.id],
        ).fetchall()


@pytest.mark.parametrize("action", ["move", "delete"])
def test_each_object_exists_once_and_an_undo_brings_everything_back(
    catalog: Catalog, buckets: tuple[str, str], s3, moto, action: str
) -> None:
    full, empty = buckets
    before = contents(s3, full)
    told: dict[str, Any] = {"to": f"s3://{empty}/moved"} if action == "move" else {}
    made = plan(catalog, action, **told)
    rng = random.Random(7)
    with faulty(moto.environment()["AWS_ENDPOINT_URL"], FAULTS, 11) as proxy:
        endpoint = f"http://127.0.0.1:{proxy.server_address[1]}"
        killed = applied(catalog, made, endpoint, rng, KILLS)
        assert rows_per_object(catalog, made) == [("done", OBJECTS, OBJECTS)]
        assert contents(s3, full) == {}
        assert contents(s3, empty) == moved(before, action)

        undo = make_undo_plan(catalog, made.id)
        killed += applied(catalog, undo, endpoint, rng, KILLS // 2)
        faults = proxy.faults

    assert contents(s3, full) == before
    assert contents(s3, empty) == {}
    assert rows_per_object(catalog, undo) == [("done", OBJECTS, OBJECTS)]
    assert killed > KILLS // 4
    assert faults > 0
    print(f"{action}: {OBJECTS} objects, {killed} kills, {faults} faults")


def moved(before: dict[str, Held], action: str) -> dict[str, Held]:
    if action == "delete":
        return {}
    return {key.replace("maps/", "moved/", 1): held for key, held in before.items()}
