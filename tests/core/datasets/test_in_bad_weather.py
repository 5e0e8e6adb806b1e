"""Registering and downloading while the network loses things, and when somebody presses Ctrl-C."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from s3pipelines.core.datasets.downloading import Wanted as Downloading
from s3pipelines.core.datasets.downloading import download
from s3pipelines.core.datasets.registering import Wanted, register
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.storage.access import Access, StaticKeys
from tests.chaos.faults import faulty
from tests.core.datasets.conftest import MIB, bytes_of
from tests.core.datasets.proxy import Answer, CountingProxy, Passed

PART = 5 * MIB


@pytest.fixture
def folder(write) -> Path:
    """Many small files and one of several parts."""
    for number in range(40):
        write(f"scans/{number:02d}.tif", b"%d" % number * 100)
    return write("scans/big.bin", bytes_of(3 * PART + 1)).parent


def _same(folder: Path, there: Path) -> bool:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return all((there / p.relative_to(folder)).read_bytes() == p.read_bytes() for p in files)


@pytest.mark.parametrize("seed", [1, 2])
def test_lost_requests_and_answers_change_nothing(
    local_catalog, source, folder, moto, tmp_path, seed
):
    with faulty(moto.endpoint, 0.2, seed) as proxy:
        endpoint = f"http://127.0.0.1:{proxy.server_address[1]}"
        keys = StaticKeys("testing", "testing")
        access = Access(endpoint_url=endpoint, static_keys=keys, max_attempts=8)
        catalog = replace(local_catalog, access=access)

        sent = register(catalog, Wanted("maps", [f"{folder}/."], part_bytes=PART))
        apply_changes(local_catalog, "maps")
        fetched = download(catalog, Downloading("maps", tmp_path / "here", range_bytes=MIB))

    assert proxy.faults > 10
    assert sent.counts == {"uploaded": 41}
    assert (fetched.downloaded, fetched.failed) == (41, [])
    assert _same(folder, tmp_path / "here")


def test_two_who_register_the_same_at_once_both_succeed(local_catalog, source, folder, moto):
    program = """
import sys
from pathlib import Path
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets.registering import Wanted, register
from s3pipelines.core.storage.locations import FolderLocation
catalog = Catalog(FolderLocation(Path(sys.argv[1])))
done = register(catalog, Wanted("maps", [sys.argv[2]], part_bytes=5 * 1024 * 1024))
print(done.failed, file=sys.stderr)
sys.exit(len(done.failed))
"""
    arguments = [sys.executable, "-c", program, str(local_catalog.location.uri), f"{folder}/."]
    running = [subprocess.Popen(arguments) for _ in range(2)]

    assert [one.wait(timeout=60) for one in running] == [0, 0]
    groups = apply_changes(local_catalog, "maps").groups
    assert sum(group.objects for group in groups) == 41


def test_who_is_overtaken_by_somebody_with_the_same_file_has_uploaded_it_too(
    local_catalog, source, write, proxy: CountingProxy
):
    path = write("big.bin", bytes_of(2 * PART))
    others: list[str] = []

    def overtake(passed: Passed, answer: Answer) -> Answer:
        """The server is confused by parts for an upload that was completed."""
        if "partNumber" not in passed.query:
            return answer
        if not others:
            others.append("registers")
            ended = register(local_catalog, Wanted("maps", [path], part_bytes=PART))
            others[:] = [one.outcome for one in ended.files]
        return Answer(500, {}, b"<Error><Code>InternalError</Code></Error>")

    proxy.change = overtake
    access = replace(proxy.access, max_attempts=1)
    catalog = replace(local_catalog, access=access)

    [one] = register(catalog, Wanted("maps", [path], part_bytes=PART)).files

    assert (one.outcome, others) == ("uploaded", ["uploaded"])


def test_a_file_that_is_written_meanwhile_is_a_failure_and_leaves_no_object(
    local_catalog, source, write, s3, bucket, proxy: CountingProxy
):
    path = write("big.bin", bytes_of(2 * PART))

    def write_now(passed: Passed, answer: Answer) -> Answer:
        if "uploads" in passed.query:
            path.write_bytes(bytes_of(2 * PART, "other"))
        return answer

    proxy.change = write_now
    catalog = replace(local_catalog, access=proxy.access)

    [one] = register(catalog, Wanted("maps", [path], part_bytes=PART)).files

    assert (one.outcome, "was changed while it was read" in (one.detail or "")) == ("failed", True)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_ctrl_c_says_so_in_one_line_and_leaves_what_can_be_gone_on_with(
    local_catalog, source, folder, proxy: CountingProxy, tmp_path, monkeypatch, dagster_home
):
    catalog = replace(local_catalog, access=proxy.access)
    register(catalog, Wanted("maps", [f"{folder}/."], part_bytes=PART))
    apply_changes(local_catalog, "maps")
    monkeypatch.setenv("S3PIPELINES_CATALOG", local_catalog.location.uri)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    proxy.passed.clear()

    def slowly(_: Passed, answer: Answer) -> Answer:
        time.sleep(0.3)
        return answer

    proxy.change = slowly
    command = "from s3pipelines.cli import main; main()"
    arguments = ["data", "download", "--source", "maps", "--dir", str(tmp_path / "here")]
    running = subprocess.Popen(
        [sys.executable, "-c", command, *arguments], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while proxy.count("GET") < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    proxy.change = lambda _, answer: answer

    assert (running.returncode, said.strip()) == (130, "Interrupted.")
    done = download(catalog, Downloading("maps", tmp_path / "here"))
    assert done.failed == []
    assert _same(folder, tmp_path / "here")
