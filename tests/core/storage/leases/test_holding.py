"""Who has a lease, and who waits for it."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import Busy, StorageError
from s3pipelines.core.storage import leases
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.documents import Documents, open_documents
from s3pipelines.core.storage.leases import hold
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.storage.leases.holding import NAME, holder_of, stranger


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
        found = holder_of(documents)
        assert found is not None
        assert (found.purpose, found.pid) == ("A refresh", os.getpid())
    assert holder_of(documents) is None
    with hold(documents, NAME, "Another", wait_s=0):
        pass


@pytest.mark.usefixtures("patient")
def test_work_that_fails_gives_the_lease_back(documents: Documents) -> None:
    with pytest.raises(ZeroDivisionError), hold(documents, NAME, "A test"):
        raise ZeroDivisionError
    assert holder_of(documents) is None


@pytest.mark.usefixtures("patient")
def test_who_waits_in_vain_is_told_for_what(documents: Documents) -> None:
    documents.create(NAME, stranger().encoded(3))
    with pytest.raises(Busy) as caught, hold(documents, NAME, "A test", wait_s=0.05):
        pass
    assert str(caught.value).startswith(
        "Somebody's work is running already (process 4242 on another-machine)."
    )
    found = holder_of(documents)
    assert found is not None
    assert (found.purpose, found.beat) == ("Somebody's work", 3)


@pytest.mark.usefixtures("patient")
def test_not_waiting_at_all_is_possible(documents: Documents) -> None:
    with hold(documents, NAME, "A test"):
        started = time.monotonic()
        with pytest.raises(Busy), hold(documents, NAME, "A test", wait_s=0):
            pass
        assert time.monotonic() - started < 10


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


def test_the_holder_speaks_often_enough() -> None:
    """Five renewals may fail in a row, each with all its tries, before the lease expires."""
    assert leases.RENEW_EVERY_S * 5 < leases.EXPIRE_AFTER_S


def test_a_folder_that_cannot_be_used_is_an_error_and_no_endless_wait(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    documents = open_documents(FolderLocation(tmp_path / "file"), Access())
    with pytest.raises(StorageError), hold(documents, NAME, "A test", wait_s=5):
        pass
