"""Upkeep that is killed: readers see everything, and the next one ends right."""

import random
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.upkeep.files import Place, with_spans
from s3pipelines.core.upkeep.layout import worth_rewriting
from s3pipelines.core.upkeep.optimize import optimize
from tests.core.upkeep.tables import add_objects, files_on_disk, rows_of

_OPTIMIZE = """
import sys
from datetime import timedelta
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.storage.locations import parse_location
from s3pipelines.core.upkeep.optimize import optimize

print("begins", flush=True)
upkeep = optimize(Catalog(parse_location(sys.argv[1])), timedelta(0))
assert upkeep.failures == (), upkeep.failures
"""
ROWS = 10_000


@pytest.mark.timeout(120)
def test_readers_see_every_row_after_upkeep_was_killed_and_the_next_one_ends_right(
    local_catalog: Catalog, bucket: str
):
    create_source(local_catalog, "maps", f"s3://{bucket}/maps")
    add_objects(local_catalog, "maps", ROWS, files=4, shuffled=True)
    before = rows_of(local_catalog, "objects")
    chance = random.Random(7)

    for _ in range(3):
        command = [sys.executable, "-c", _OPTIMIZE, local_catalog.location.uri]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0.05, 0.5))
            process.send_signal(signal.SIGKILL)
        assert rows_of(local_catalog, "objects") == before

    assert optimize(local_catalog, timedelta(0)).failures == ()
    place = Place(local_catalog, OBJECTS, "maps")
    with connect(local_catalog) as connection:
        files = with_spans(connection, place, place.files())
    assert worth_rewriting(files) == []
    assert len(files_on_disk(local_catalog, "objects")) == len(files), "nothing is left over"
    assert rows_of(local_catalog, "objects") == before
