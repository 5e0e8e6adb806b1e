"""Several processes refresh at once, some are killed: nothing is lost, nothing doubled."""

import random
import signal
import subprocess
import sys
import time

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.commits import CommitLog, FilesChanged
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import files_of_source, open_table
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.locations import Location
from tests.core.index.rows import index_keys

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_REFRESH = """
import sys
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.storage.locations import parse_location

location, source_id, times = sys.argv[1:]
for _ in range(int(times)):
    refresh_index(Catalog(parse_location(location)), source_id)
"""


def start_refresh(location: Location, source_id: str, times: int = 1) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _REFRESH, location.uri, source_id, str(times)],
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors.decode()


def test_two_processes_refresh_the_same_source_while_it_changes(
    catalog: Catalog, bucket, put_objects, s3
):
    put_objects(*(f"k{number:02}" for number in range(20)))
    create_source(catalog, "all", f"s3://{bucket}")
    writers = [start_refresh(catalog.location, "all", times=4) for _ in range(2)]
    for number in range(30):
        put_objects(f"new{number:02}")
        s3.delete_object(Bucket=bucket, Key=f"k{number % 20:02}")
        time.sleep(0.05)
    for writer in writers:
        finish(writer)

    refresh_index(catalog, "all")

    assert index_keys(catalog, "all") == [f"new{number:02}" for number in range(30)]


def test_eight_processes_refresh_eight_sources_at_once(catalog: Catalog, bucket, put_objects):
    names = [f"source-{number}" for number in range(8)]
    for name in names:
        put_objects(*(f"{name}/{number}" for number in range(5)))
        create_source(catalog, name, f"s3://{bucket}/{name}")

    writers = [start_refresh(catalog.location, name) for name in names]
    for writer in writers:
        finish(writer)

    for name in names:
        assert index_keys(catalog, name) == [f"{name}/{number}" for number in range(5)]
        assert len(files_of_source(open_table(catalog, OBJECTS), name)) == 1
    # One commit made the table, and each source needed one more: none was lost or repeated.
    log = CommitLog(catalog, OBJECTS)
    made, *written = [log.commit(version) for version in log.versions]
    assert (made.operation, made.changed) == ("CREATE TABLE", {})
    assert {commit.operation for commit in written} == {"WRITE"}
    assert sorted(list(commit.changed.items()) for commit in written) == [
        [(name, FilesChanged(added=1, rows=5))] for name in names
    ]


def test_a_refresh_that_is_killed_anywhere_leaves_a_whole_version_and_the_next_one_ends_right(
    local_catalog: Catalog, bucket, put_objects, s3
):
    put_objects(*(f"old{number}" for number in range(10)))
    create_source(local_catalog, "all", f"s3://{bucket}")
    refresh_index(local_catalog, "all")
    versions = {0: [f"old{number}" for number in range(10)]}
    chance = random.Random(7)
    for round_number in range(1, 7):
        put_objects(f"new{round_number}")
        versions[round_number] = sorted([*versions[round_number - 1], f"new{round_number}"])
        writer = start_refresh(local_catalog.location, "all")
        time.sleep(chance.uniform(0.3, 3))
        writer.send_signal(signal.SIGKILL)
        writer.communicate()

        assert index_keys(local_catalog, "all") in versions.values()

    started = time.monotonic()
    refresh_index(local_catalog, "all")
    assert index_keys(local_catalog, "all") == versions[6]
    assert time.monotonic() - started < 20, "a lease of a process that is gone is taken at once"
