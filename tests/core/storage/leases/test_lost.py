"""Leases that somebody took over, and answers that get lost."""

import threading
import time

import pytest

from s3pipelines.core.errors import AlreadyExists, PreconditionFailed, Unreachable
from s3pipelines.core.storage.documents import Documents
from s3pipelines.core.storage.leases import hold
from tests.core.storage.leases.holding import LOST, NAME, REFUSED, Unreliable, holder_of, stranger


@pytest.mark.usefixtures("patient")
def test_a_lease_that_somebody_took_over_is_not_confirmed_and_not_freed(
    documents: Documents,
) -> None:
    with hold(documents, NAME, "A test") as lease:
        documents.put(NAME, stranger().encoded(0))
        for _ in range(2):
            with pytest.raises(PreconditionFailed, match="taken over by another process"):
                lease.confirm()
    found = holder_of(documents)
    assert found is not None
    assert found.purpose == "Somebody's work"


@pytest.mark.usefixtures("patient")
def test_a_lease_that_was_taken_over_unnoticed_is_not_freed_either(documents: Documents) -> None:
    with hold(documents, NAME, "A test"):
        documents.put(NAME, stranger().encoded(0))
    assert holder_of(documents) is not None


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
        local_documents.put(NAME, stranger().encoded(0))
        time.sleep(0.3)
        local_documents.remove(NAME)  # Whatever happens to it then, it is not had again.
        with pytest.raises(PreconditionFailed, match="taken over"):
            lease.confirm()


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
    assert holder_of(documents) is None


@pytest.mark.usefixtures("patient")
def test_a_renewal_that_was_tried_twice_does_not_lose_the_lease(documents: Documents) -> None:
    shaky = Unreliable(documents)
    with hold(shaky, NAME, "A test") as lease:
        for _ in range(3):
            shaky.once(REFUSED)
            lease.confirm()
    assert holder_of(documents) is None


@pytest.mark.usefixtures("patient")
def test_a_lease_is_freed_even_if_the_renewal_before_had_no_answer(documents: Documents) -> None:
    shaky = Unreliable(documents)
    with hold(shaky, NAME, "A test") as lease:
        shaky.once(LOST)
        with pytest.raises(Unreachable):
            lease.confirm()
    assert holder_of(documents) is None


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
    assert holder_of(documents) is None


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
        before = holder_of(local_documents)
        time.sleep(0.3)
        after = holder_of(local_documents)
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
