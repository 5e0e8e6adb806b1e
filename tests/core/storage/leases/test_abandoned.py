"""Holders that are gone lose their lease; those that go on keep it."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import Busy
from s3pipelines.core.storage.documents import Documents, open_documents
from s3pipelines.core.storage.leases import hold
from tests.core.storage.leases.holding import NAME, holder_of, stranger


@pytest.mark.usefixtures("hurry")
def test_a_holder_on_another_machine_that_says_nothing_loses_it_after_a_while(
    local_documents: Documents,
) -> None:
    local_documents.create(NAME, stranger().encoded(3))
    started = time.monotonic()
    with hold(local_documents, NAME, "A test", wait_s=10):
        waited = time.monotonic() - started
    assert 1 <= waited < 10


@pytest.mark.usefixtures("hurry")
def test_a_holder_on_another_machine_that_goes_on_keeps_it(local_documents: Documents) -> None:
    tag = local_documents.create(NAME, stranger().encoded(0))
    stop = threading.Event()

    def go_on() -> None:
        nonlocal tag
        beat = 0
        while not stop.wait(0.2):
            beat += 1
            tag = local_documents.replace(NAME, stranger(nonce="same").encoded(beat), tag)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        with pytest.raises(Busy), hold(local_documents, NAME, "A test", wait_s=2):
            pass
    finally:
        stop.set()
        thread.join()


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("body", [b"not json", b'{"from": "the future"}'])
def test_a_lease_that_nobody_can_read_is_taken_after_a_while(
    local_documents: Documents, body: bytes
) -> None:
    local_documents.create(NAME, body)
    with pytest.raises(Busy), hold(local_documents, NAME, "A test", wait_s=0.1):
        pass
    with hold(local_documents, NAME, "A test", wait_s=10):
        assert holder_of(local_documents) is not None


@pytest.mark.usefixtures("hurry")
def test_of_many_who_wait_for_an_abandoned_lease_one_at_a_time_has_it(catalog: Catalog) -> None:
    documents = open_documents(catalog.location, catalog.access)
    documents.create(NAME, stranger().encoded(3))
    barrier = threading.Barrier(4)
    inside: list[int] = []
    most: list[int] = []

    def wait(number: int) -> None:
        mine = open_documents(catalog.location, catalog.access)
        barrier.wait()
        with hold(mine, NAME, "A test", wait_s=30):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.1)
            inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(wait, range(4)))
    assert most == [1] * 4


_HOLD = """
import sys, time
from pathlib import Path
from s3pipelines.core.storage import leases
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.documents import open_documents
from s3pipelines.core.storage.locations import FolderLocation

leases.RENEW_EVERY_S = 0.05
documents = open_documents(FolderLocation(Path(sys.argv[1])), Access())
try:
    with leases.hold(documents, "leases/a.json", "A child") as lease:
        print("held", flush=True)
        input()
        lease.confirm()
        print("still held", flush=True)
except Exception as error:
    print(type(error).__name__, flush=True)
"""


@pytest.fixture
def child(local_catalog: Catalog) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease until it is told a line, then confirms it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, local_catalog.location.uri],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert _line(process) == "held"
    yield process
    process.kill()
    process.communicate()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.usefixtures("patient")
def test_a_lease_is_respected_across_processes(
    local_catalog: Catalog, child: subprocess.Popen[str]
) -> None:
    documents = local_catalog.documents
    expected = rf"A child is running already \(process {child.pid} "
    with pytest.raises(Busy, match=expected), hold(documents, NAME, "A test", wait_s=0.3):
        pass
    _tell(child)
    assert _line(child) == "still held"
    with hold(local_catalog.documents, NAME, "A test", wait_s=10):
        pass


@pytest.mark.usefixtures("patient")
def test_a_killed_process_of_this_machine_loses_its_lease_at_once(
    local_catalog: Catalog, child: subprocess.Popen[str]
) -> None:
    child.send_signal(signal.SIGKILL)
    started = time.monotonic()
    with hold(local_catalog.documents, NAME, "A test", wait_s=10):
        assert time.monotonic() - started < 10


@pytest.mark.usefixtures("hurry")
def test_a_suspended_process_that_wakes_up_neither_commits_nor_frees_the_lease_of_another(
    local_catalog: Catalog, child: subprocess.Popen[str]
) -> None:
    child.send_signal(signal.SIGSTOP)
    with hold(local_catalog.documents, NAME, "The next", wait_s=10) as lease:
        child.send_signal(signal.SIGCONT)
        _tell(child)
        assert _line(child) == "PreconditionFailed"
        child.wait(10)
        found = holder_of(local_catalog.documents)
        assert found is not None
        assert found.purpose == "The next"
        lease.confirm()
