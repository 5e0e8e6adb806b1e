"""Refreshes that are killed at random: readers see whole versions, and the next one is right."""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.index.rows import index_now_keys
from tests.core.storage.fake_s3 import FakeS3, bucket_of, fake_s3

KILLS = 50
_ROOT = Path(__file__).parents[2]
_REFRESH = """
import sys
from pathlib import Path
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.storage.locations import FolderLocation
print("ready", flush=True)
refresh_index(Catalog(FolderLocation(Path(sys.argv[1]))), "maps")
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "x")
    with fake_s3(bucket_of([])) as server:
        yield server


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_wherever_a_refresh_is_killed_readers_see_a_whole_version_and_the_next_ends_right(
    server: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    chance = random.Random(11)
    catalog = Catalog(FolderLocation(tmp_path / "catalog"))
    create_source(catalog, "maps", "s3://bucket", endpoint_url=server.url)
    keys = {f"{number:06}.tif" for number in range(15_000)}
    server.answer = bucket_of(list(keys))
    longest_s = _refresh_s(tmp_path)
    versions, ended = [sorted(keys)], 0
    for _ in range(KILLS):
        keys = _changed(keys, chance)
        server.answer = bucket_of(list(keys))
        versions.append(sorted(keys))
        ended += _killed_after(tmp_path, chance.uniform(0, longest_s))
        seen = index_now_keys(catalog, "maps")
        assert seen in versions, "a reader saw a part of a refresh"
        # A killed refresh may have been right before the next change, and never goes back.
        versions = versions[versions.index(seen) :]
    assert ended < KILLS, "no refresh was killed"

    refresh = refresh_index(catalog, "maps")

    assert index_now_keys(catalog, "maps") == sorted(keys)
    assert refresh.rows == len(keys)
    assert refresh_index(catalog, "maps").changed == 0


def _changed(keys: set[str], chance: random.Random) -> set[str]:
    """Some gone, some new: few enough for the tail, or so many that all is written anew."""
    some = chance.choice([3, 300, 3000])
    gone = set(chance.sample(sorted(keys), some))
    return (keys - gone) | {f"{chance.randrange(10**6):06}.new" for _ in range(some)}


def _refresh_s(folder: Path) -> float:
    process = _start(folder)
    started = time.monotonic()
    assert process.wait(60) == 0
    return time.monotonic() - started


def _killed_after(folder: Path, seconds: float) -> bool:
    """Kill a refresh so long after its start; returns whether it had ended before."""
    process = _start(folder)
    with suppress(subprocess.TimeoutExpired):
        assert process.wait(seconds) == 0
        return True
    process.kill()
    process.wait()
    return False


def _start(folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", _REFRESH, str(folder / "catalog")],
        stdout=subprocess.PIPE,
        cwd=_ROOT,
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(_ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process
