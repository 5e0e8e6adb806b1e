import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import (
    AlreadyExists,
    Busy,
    PreconditionFailed,
    StorageError,
    Unreachable,
)
from s3pipelines.core.storage import leases
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.documents import Document, Documents, open_documents
from s3pipelines.core.storage.holders import Holder
from s3pipelines.core.storage.leases import hold
from s3pipelines.core.storage.locations import FolderLocation

NAME = "leases/a.json"
SLOW = 30.0


@pytest.fixture
def documents(catalog: Catalog) -> Documents:
    return open_documents(catalog.location, catalog.access)


@pytest.fixture
def local_documents(local_catalog: Catalog) -> Documents:
    """For what takes its time and is the same everywhere."""
    return open_documents(local_catalog.location, local_catalog.access)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewals every 50 ms; a holder that says nothing for a second counts as gone."""
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.05)
    monkeypatch.setattr(leases, "EXPIRE_AFTER_S", 1.0)
    monkeypatch.setattr(leases, "_POLL_EVERY_S", 0.02)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is renewed, and nothing expires, while a test runs."""
    monkeypatch.setattr(leases, "RENEW_EVERY_S", SLOW)
    monkeypatch.setattr(leases, "EXPIRE_AFTER_S", SLOW)
    monkeypatch.setattr(leases, "_POLL_EVERY_S", 0.02)


def _stranger(**more: object) -> Holder:
    """A holder on another machine, of which nothing can be known."""
    return replace(Holder.here("Somebody's work"), host="another-machine", pid=4242, **more)


def _holder(documents: Documents) -> Holder | None:
    return Holder.decoded(documents.read(NAME).body)


class Unreliable:
    """A store whose writes arrive, but whose answers can be spoilt."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self.spoil: Callable[[], None] = lambda: None
        self.before: Callable[[], None] = lambda: None

    def create(self, name: str, body: bytes) -> str:
        tag = self._documents.create(name, body)
        self.spoil()
        return tag

    def replace(self, name: str, body: bytes, tag: str) -> str:
        self.before()
        new_tag = self._documents.replace(name, body, tag)
        self.spoil()
        return new_tag

    def read(self, name: str) -> Document:
        return self._documents.read(name)

    def put(self, name: str, body: bytes) -> None:
        self._documents.put(name, body)

    def remove(self, name: str) -> None:
        self._documents.remove(name)

    def names(self, prefix: str, *, after: str = "") -> list[str]:
        return self._documents.names(prefix)

    def once(self, error: StorageError | AlreadyExists) -> None:
        """Raise `error` after the next write has arrived."""

        def raise_it() -> None:
            self.spoil = lambda: None
            raise error

        self.spoil = raise_it


LOST = Unreachable("The answer was lost.", hint="Wait.")
REFUSED = PreconditionFailed("The second try was refused.", hint="Repeat.")


# Who has it.


@pytest.mark.usefixtures("hurry")
def test_only_one_at_a_time_has_the_lease(catalog: Catalog) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        mine = open_documents(catalog.location, catalog.access)
        for _ in range(3):
            with hold(mine, NAME, "A test", wait_s=30) as lease:
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.01)
                lease.confirm()
                inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert most == [1] * 12


@pytest.mark.usefixtures("patient")
def test_a_lease_says_who_holds_it_and_is_free_afterwards(documents: Documents) -> None:
    with hold(documents, NAME, "A refresh"):
        found = _holder(documents)
        assert found is not None
        assert (found.purpose, found.pid) == ("A refresh", os.getpid())
    assert _holder(documents) is None
    with hold(documents, NAME, "Another", wait_s=0):
        pass


@pytest.mark.usefixtures("patient")
def test_work_that_fails_gives_the_lease_back(documents: Documents) -> None:
    with pytest.raises(ZeroDivisionError), hold(documents, NAME, "A test"):
        raise ZeroDivisionError
    assert _holder(documents) is None


@pytest.mark.usefixtures("patient")
def test_who_waits_in_vain_is_told_for_what(documents: Documents) -> None:
    documents.create(NAME, _stranger().encoded(3))
    with pytest.raises(Busy) as caught, hold(documents, NAME, "A test", wait_s=0.05):
        pass
    assert str(caught.value).startswith(
        "Somebody's work is running already (process 4242 on another-machine)."
    )
    found = _holder(documents)
    assert found is not None
    assert (found.purpose, found.beat) == ("Somebody's work", 3)


@pytest.mark.usefixtures("patient")
def test_not_waiting_at_all_is_possible(documents: Documents) -> None:
    with hold(documents, NAME, "A test"):
        started = time.monotonic()
        with pytest.raises(Busy), hold(documents, NAME, "A test", wait_s=0):
            pass
        assert time.monotonic() - started < 1


@pytest.mark.usefixtures("hurry")
def test_a_lease_is_had_as_soon_as_it_is_free(local_documents: Documents) -> None:
    entered = threading.Event()

    def wait() -> None:
        with hold(local_documents, NAME, "The second", wait_s=30):
            entered.set()

    with hold(local_documents, NAME, "The first"):
        waiter = threading.Thread(target=wait)
        waiter.start()
        # Longer than a holder may say nothing: it is renewed.
        assert not entered.wait(1.5)
    assert entered.wait(5)
    waiter.join()


# Who is gone.


@pytest.mark.usefixtures("hurry")
def test_a_holder_on_another_machine_that_says_nothing_loses_it_after_a_while(
    local_documents: Documents,
) -> None:
    local_documents.create(NAME, _stranger().encoded(3))
    started = time.monotonic()
    with hold(local_documents, NAME, "A test", wait_s=10):
        waited = time.monotonic() - started
    assert 1 <= waited < 5


@pytest.mark.usefixtures("hurry")
def test_a_holder_on_another_machine_that_goes_on_keeps_it(local_documents: Documents) -> None:
    tag = local_documents.create(NAME, _stranger().encoded(0))
    stop = threading.Event()

    def go_on() -> None:
        nonlocal tag
        beat = 0
        while not stop.wait(0.2):
            beat += 1
            tag = local_documents.replace(NAME, _stranger(nonce="same").encoded(beat), tag)

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
        assert _holder(local_documents) is not None


@pytest.mark.usefixtures("hurry")
def test_of_many_who_wait_for_an_abandoned_lease_one_at_a_time_has_it(catalog: Catalog) -> None:
    documents = open_documents(catalog.location, catalog.access)
    documents.create(NAME, _stranger().encoded(3))
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
        assert time.monotonic() - started < 5


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
        found = _holder(local_catalog.documents)
        assert found is not None
        assert found.purpose == "The next"
        lease.confirm()


# What is lost.


@pytest.mark.usefixtures("patient")
def test_a_lease_that_somebody_took_over_is_not_confirmed_and_not_freed(
    documents: Documents,
) -> None:
    with hold(documents, NAME, "A test") as lease:
        documents.put(NAME, _stranger().encoded(0))
        for _ in range(2):
            with pytest.raises(PreconditionFailed, match="taken over by another process"):
                lease.confirm()
    found = _holder(documents)
    assert found is not None
    assert found.purpose == "Somebody's work"


@pytest.mark.usefixtures("patient")
def test_a_lease_that_was_taken_over_unnoticed_is_not_freed_either(documents: Documents) -> None:
    with hold(documents, NAME, "A test"):
        documents.put(NAME, _stranger().encoded(0))
    assert _holder(documents) is not None


@pytest.mark.usefixtures("patient")
def test_a_lease_whose_successor_has_ended_already_is_lost_all_the_same(
    documents: Documents,
) -> None:
    with hold(documents, NAME, "A test") as lease:
        documents.put(NAME, b"null")
        with pytest.raises(PreconditionFailed, match="taken over"):
            lease.confirm()


@pytest.mark.usefixtures("patient")
def test_a_lease_that_was_removed_is_lost(documents: Documents) -> None:
    with hold(documents, NAME, "A test") as lease:
        documents.remove(NAME)
        with pytest.raises(PreconditionFailed, match="taken over"):
            lease.confirm()


@pytest.mark.usefixtures("hurry")
def test_a_loss_is_noticed_by_the_renewal_too(local_documents: Documents) -> None:
    with hold(local_documents, NAME, "A test") as lease:
        local_documents.put(NAME, _stranger().encoded(0))
        time.sleep(0.3)
        local_documents.remove(NAME)  # Whatever happens to it then, it is not had again.
        with pytest.raises(PreconditionFailed, match="taken over"):
            lease.confirm()


# Answers that get lost.


@pytest.mark.usefixtures("patient")
def test_a_renewal_that_arrived_without_an_answer_does_not_lose_the_lease(
    documents: Documents,
) -> None:
    shaky = Unreliable(documents)
    with hold(shaky, NAME, "A test") as lease:
        shaky.once(LOST)
        with pytest.raises(Unreachable):
            lease.confirm()
        lease.confirm()
        lease.confirm()
    assert _holder(documents) is None


@pytest.mark.usefixtures("patient")
def test_a_renewal_that_was_tried_twice_does_not_lose_the_lease(documents: Documents) -> None:
    shaky = Unreliable(documents)
    with hold(shaky, NAME, "A test") as lease:
        for _ in range(3):
            shaky.once(REFUSED)
            lease.confirm()
    assert _holder(documents) is None


@pytest.mark.usefixtures("patient")
def test_a_lease_is_freed_even_if_the_renewal_before_had_no_answer(documents: Documents) -> None:
    shaky = Unreliable(documents)
    with hold(shaky, NAME, "A test") as lease:
        shaky.once(LOST)
        with pytest.raises(Unreachable):
            lease.confirm()
    assert _holder(documents) is None


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("before", [None, b"null"])
def test_taking_a_lease_twice_in_one_request_is_no_deadlock(
    documents: Documents, before: bytes | None
) -> None:
    if before is not None:
        documents.create(NAME, before)
    shaky = Unreliable(documents)
    shaky.once(REFUSED if before else AlreadyExists("The second try.", hint="Repeat."))
    with hold(shaky, NAME, "A test", wait_s=5) as lease:
        lease.confirm()
    assert _holder(documents) is None


@pytest.mark.usefixtures("patient")
def test_nothing_is_confirmed_while_the_store_is_out_of_reach(documents: Documents) -> None:
    shaky = Unreliable(documents)

    def fail() -> None:
        raise LOST

    with hold(shaky, NAME, "A test") as lease:
        shaky.before = fail
        with pytest.raises(Unreachable):
            lease.confirm()
        shaky.before = lambda: None
        lease.confirm()


@pytest.mark.usefixtures("hurry")
def test_renewal_goes_on_after_the_store_was_out_of_reach(local_documents: Documents) -> None:
    shaky = Unreliable(local_documents)

    def fail() -> None:
        raise LOST

    with hold(shaky, NAME, "A test"):
        shaky.before = fail
        time.sleep(0.2)
        shaky.before = lambda: None
        before = _holder(local_documents)
        time.sleep(0.3)
        after = _holder(local_documents)
    assert before is not None
    assert after is not None
    assert after.beat > before.beat


@pytest.mark.usefixtures("patient")
def test_work_is_not_undone_because_its_lease_cannot_be_given_back(documents: Documents) -> None:
    shaky = Unreliable(documents)

    def fail() -> None:
        raise LOST

    with hold(shaky, NAME, "A test"):
        shaky.before = fail


@pytest.mark.usefixtures("hurry")
def test_no_thread_is_left_behind(documents: Documents) -> None:
    with hold(documents, NAME, "A test"):
        assert any(NAME in thread.name for thread in threading.enumerate())
    assert not any(NAME in thread.name for thread in threading.enumerate())


def test_the_holder_speaks_often_enough() -> None:
    """Five renewals may fail in a row, each with all its tries, before the lease expires."""
    assert leases.RENEW_EVERY_S * 5 < leases.EXPIRE_AFTER_S


def test_a_folder_that_cannot_be_used_is_an_error_and_no_endless_wait(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    documents = open_documents(FolderLocation(tmp_path / "file"), Access())
    with pytest.raises(StorageError), hold(documents, NAME, "A test", wait_s=5):
        pass
