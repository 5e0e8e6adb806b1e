"""Downloading objects as a tree of files."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.download_state import DownloadState
from s3pipelines.core.datasets.downloading import Download, Wanted, download
from s3pipelines.core.datasets.progress import Progress
from s3pipelines.core.errors import Busy, InvalidInput, NoSuchBucket, NotFound
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sql.selection import Selection
from tests.core.datasets.conftest import MIB, bytes_of
from tests.core.datasets.proxy import Answer, CountingProxy, Passed


def _download(catalog: Catalog, folder: Path, name: str = "maps", **more) -> Download:
    return download(catalog, Wanted(name, folder, range_bytes=MIB, **more))


def _tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: p.read_bytes() for name, p in named.items() if not name.startswith(".s3p")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where files are downloaded to; it does not exist yet."""
    return tmp_path / "here" / "maps"


@pytest.fixture
def filled(local_catalog, source, s3, bucket) -> dict[str, bytes]:
    """An indexed source of small objects, a large one, and one of many parts."""
    objects = {
        "a/1.tif": b"one",
        "a/b c/ü+&%41.png": b"two",
        "empty.txt": b"",
        "big.bin": bytes_of(3 * MIB + 5),
    }
    for name, body in objects.items():
        s3.put_object(Bucket=bucket, Key=f"maps/{name}", Body=body)
    refresh_index(local_catalog, "maps")
    return objects


def test_the_tree_is_as_the_keys_and_every_byte_is_there(local_catalog, filled, folder, s3, bucket):
    seen: list[int] = []

    done = download(
        local_catalog, Wanted("maps", folder, range_bytes=MIB), Progress(seen.append, seen.append)
    )

    assert _tree(folder) == filled
    assert (done.downloaded, done.unchanged, done.failed, done.unproven) == (4, 0, [], 0)
    assert seen[0] == sum(seen[1:]) == sum(map(len, filled.values())) == done.fetched_bytes
    written = s3.head_object(Bucket=bucket, Key="maps/a/1.tif")["LastModified"]
    assert (folder / "a/1.tif").stat().st_mtime == written.timestamp()
    assert list((folder / ".s3pipelines" / "parts").iterdir()) == []


def test_what_is_unchanged_costs_no_request_and_what_changed_is_fetched_anew(
    local_catalog, filled, folder, s3, bucket, proxy: CountingProxy
):
    catalog = replace(local_catalog, access=proxy.access)
    _download(catalog, folder)
    proxy.passed.clear()

    again = _download(catalog, folder)

    assert (again.downloaded, again.unchanged, proxy.passed) == (0, 4, [])
    s3.put_object(Bucket=bucket, Key="maps/a/1.tif", Body=b"new")
    refresh_index(local_catalog, "maps")
    proxy.passed.clear()
    assert _download(catalog, folder).downloaded == 1
    assert [(one.method, one.key) for one in proxy.passed] == [("GET", "maps/a/1.tif")]
    assert (folder / "a/1.tif").read_bytes() == b"new"


def test_files_that_were_there_before_are_recognised_or_left_alone(
    local_catalog, filled, folder, proxy: CountingProxy
):
    (folder / "a").mkdir(parents=True)
    (folder / "a/1.tif").write_bytes(b"my own file")
    (folder / "big.bin").write_bytes(filled["big.bin"])
    catalog = replace(local_catalog, access=proxy.access)

    done = _download(catalog, folder)

    assert [(one.key, one.error) for one in done.failed] == [("maps/a/1.tif", "exists")]
    assert (done.unchanged, proxy.count("GET", key="maps/big.bin")) == (1, 0)
    assert (folder / "a/1.tif").read_bytes() == b"my own file"
    assert _download(catalog, folder, overwrite=True).failed == []
    assert _tree(folder) == filled


def test_a_file_that_somebody_changed_is_not_taken_for_the_object(local_catalog, filled, folder):
    _download(local_catalog, folder)
    (folder / "a/1.tif").write_bytes(b"eno")

    done = _download(local_catalog, folder)

    assert [one.error for one in done.failed] == ["exists"]


def test_only_what_is_selected_is_downloaded(local_catalog, filled, folder):
    _download(local_catalog, folder, selection=Selection(glob="a/*"))
    assert set(_tree(folder)) == {"a/1.tif", "a/b c/ü+&%41.png"}
    keys = frozenset({"maps/empty.txt"})
    _download(local_catalog, folder, selection=Selection(keys=keys))
    assert len(_tree(folder)) == 3


_CHILD = """
import sys
from pathlib import Path
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.downloading import Wanted, download
from s3pipelines.core.storage.access import Access, StaticKeys
from s3pipelines.core.storage.locations import FolderLocation
access = Access(endpoint_url=sys.argv[2], static_keys=StaticKeys("testing", "testing"))
catalog = Catalog(FolderLocation(Path(sys.argv[1])), access=access)
download(catalog, Wanted("maps", Path(sys.argv[3]), range_bytes=1024 * 1024))
"""


def test_after_a_kill_only_what_is_missing_is_fetched(
    local_catalog, filled, folder, proxy: CountingProxy
):
    ranges = 0

    def hang_after_two_ranges(passed: Passed, answer: Answer) -> Answer:
        nonlocal ranges
        if "range" in passed.headers:
            ranges += 1
            if ranges > 2:
                time.sleep(60)
        return answer

    proxy.change = hang_after_two_ranges
    arguments = [str(local_catalog.location.uri), proxy.endpoint, str(folder)]
    child = subprocess.Popen([sys.executable, "-c", _CHILD, *arguments])
    deadline = time.monotonic() + 60
    while ranges < 4 or len(_tree(folder)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)  # The ranges that came are noted.
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    proxy.change = lambda _, answer: answer
    proxy.forget()
    assert set(_tree(folder)) == filled.keys() - {"big.bin"}

    done = _download(replace(local_catalog, access=proxy.access), folder)

    assert (done.downloaded, done.unchanged) == (1, 3)
    assert proxy.count("GET") == proxy.count("GET", key="maps/big.bin") == 2
    assert _tree(folder) == filled


def test_hostile_keys_are_failed_rows_and_nothing_leaves_the_folder(
    local_catalog, source, s3, bucket, folder, tmp_path
):
    bad = ["../out", "/abs", "a//b", "x/../../out", "nul.txt", "line\tbreak", "n" * 300, "dir"]
    good = ["dir/file", "Case.tif", "fine"]
    for name in [*bad, *good, "case.tif"]:
        s3.put_object(Bucket=bucket, Key=f"maps/{name}", Body=name.encode())
    refresh_index(local_catalog, "maps")
    before = {path for path in tmp_path.rglob("*") if "catalog" not in path.parts}

    done = _download(local_catalog, folder)

    assert {one.key for one in done.failed} == {f"maps/{name}" for name in [*bad, "case.tif"]}
    assert {one.error for one in done.failed} == {"name", "clash"}
    assert _tree(folder) == {name: name.encode() for name in good}
    after = {path for path in tmp_path.rglob("*") if "catalog" not in path.parts}
    assert all(folder in (p, *p.parents) for p in after - before - {folder.parent})


def test_a_link_in_the_folder_is_no_way_out(local_catalog, filled, folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    folder.mkdir(parents=True)
    (folder / "a").symlink_to(outside, target_is_directory=True)

    done = _download(local_catalog, folder)

    assert {one.key for one in done.failed} == {"maps/a/1.tif", "maps/a/b c/ü+&%41.png"}
    assert all("leads out of" in one.detail for one in done.failed)
    assert list(outside.iterdir()) == []


def test_bytes_that_are_not_those_of_the_object_are_never_put_in_place(
    local_catalog, filled, folder, proxy: CountingProxy
):
    catalog = replace(local_catalog, access=proxy.access)

    def spoil(passed: Passed, answer: Answer) -> Answer:
        if passed.method == "GET" and passed.key in ("maps/a/1.tif", "maps/big.bin"):
            answer.body = b"?" * len(answer.body)
        return answer

    proxy.change = spoil
    done = _download(catalog, folder)

    assert sorted((one.key, one.error) for one in done.failed) == [
        ("maps/a/1.tif", "wrong_bytes"),
        ("maps/big.bin", "wrong_bytes"),
    ]
    assert set(_tree(folder)) == {"a/b c/ü+&%41.png", "empty.txt"}
    proxy.change = lambda _, answer: answer
    assert _download(catalog, folder).failed == []
    assert _tree(folder) == filled


def test_what_changed_since_the_index_fails_and_stops_nothing(
    local_catalog, filled, folder, s3, bucket
):
    s3.put_object(Bucket=bucket, Key="maps/a/1.tif", Body=b"other")
    s3.delete_object(Bucket=bucket, Key="maps/big.bin")

    done = _download(local_catalog, folder)

    assert sorted((one.key, one.error) for one in done.failed) == [
        ("maps/a/1.tif", "changed"),
        ("maps/big.bin", "gone"),
    ]
    assert done.downloaded == 2


def test_an_archived_object_is_a_failed_row(local_catalog, source, s3, bucket, folder):
    s3.put_object(Bucket=bucket, Key="maps/a", Body=b"1", StorageClass="GLACIER")
    refresh_index(local_catalog, "maps")

    assert [one.error for one in _download(local_catalog, folder).failed] == ["archived"]


def test_what_makes_no_sense_is_refused(local_catalog, filled, folder, tmp_path, s3, bucket):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidInput, match="cannot be written"):
        _download(local_catalog, tmp_path / "file")
    with pytest.raises(NotFound, match="no source 'other'"):
        _download(local_catalog, folder, "other")
    with pytest.raises(NotFound, match="no version maps@7"):
        _download(local_catalog, folder, "maps@7")
    with pytest.raises(InvalidInput, match="names no version"):
        _download(local_catalog, folder, "maps@last")
    with DownloadState(folder), pytest.raises(Busy, match="Another process downloads"):
        _download(local_catalog, folder)
    for key in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=key["Key"])
    s3.delete_bucket(Bucket=bucket)
    with pytest.raises(NoSuchBucket):
        _download(local_catalog, folder)


def test_damaged_state_costs_time_and_nothing_else(local_catalog, filled, folder):
    _download(local_catalog, folder)
    for path in (folder / ".s3pipelines").glob("state.sqlite*"):
        path.write_bytes(b"no database" * 1000)

    done = _download(local_catalog, folder)

    assert (done.unchanged, done.failed) == (4, [])
