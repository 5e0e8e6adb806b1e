import os
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.storage import holders
from s3pipelines.core.storage.holders import Holder


def _of(pid: int) -> Holder:
    here = Holder.here("A test")
    return replace(here, pid=pid, process_started=holders._started(pid) or 0)


@pytest.fixture
def child():
    """A process that runs until its input ends."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_this_process_is_not_gone() -> None:
    assert not Holder.here("A test").surely_gone()


def test_a_process_is_gone_when_it_has_ended(child: subprocess.Popen[bytes]) -> None:
    holder = _of(child.pid)
    assert not holder.surely_gone()
    child.kill()
    child.wait()
    assert holder.surely_gone()


def test_a_killed_process_that_nobody_has_buried_is_gone(child: subprocess.Popen[bytes]) -> None:
    holder = _of(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # Dead, and left a zombie.
    assert holder.surely_gone()


def test_another_process_with_the_same_number_does_not_hold_it(
    child: subprocess.Popen[bytes],
) -> None:
    holder = _of(child.pid)
    assert replace(holder, process_started=holder.process_started - 1).surely_gone()


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"host": "another-machine"},
        # Another machine of the same name, or this one before its last start: who knows.
        {"boot_id": "another-boot"},
        # Another container that shares the name of its host.
        {"pid_namespace": "pid:[1]"},
    ],
)
def test_of_processes_elsewhere_nothing_is_sure(elsewhere: dict[str, str]) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    holder = _of(ended.pid)
    assert holder.surely_gone()
    assert not replace(holder, **elsewhere).surely_gone()


def test_of_a_process_that_may_not_be_looked_at_nothing_is_sure(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = replace(_of(child.pid), process_started=1)
    assert holder.surely_gone()

    def refuse(pid: int, signal: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    # As `hidepid` does it: signals are refused, and /proc shows nothing.
    monkeypatch.setattr(os, "kill", refuse)
    monkeypatch.setattr(holders, "_started", lambda pid: None)
    assert not holder.surely_gone()


def test_a_holder_that_does_not_know_its_own_start_is_not_gone() -> None:
    assert not replace(Holder.here("A test"), process_started=0).surely_gone()


def test_a_process_number_beyond_all_numbers_is_not_sure() -> None:
    assert not replace(Holder.here("A test"), pid=10**30).surely_gone()


def test_a_name_with_parentheses_and_spaces_does_not_confuse(tmp_path) -> None:
    program = tmp_path / "a) S 1 2 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "60"])
    try:
        holder = _of(process.pid)
        assert holder.process_started >= Holder.here("x").process_started
        assert not holder.surely_gone()
    finally:
        process.kill()
        process.wait()


def test_a_holder_is_read_as_it_was_written() -> None:
    holder = Holder.here("Größeres")
    assert Holder.decoded(holder.encoded(7)) == replace(holder, beat=7)


def test_two_holders_of_one_process_are_two() -> None:
    assert Holder.here("x").nonce != Holder.here("x").nonce


def test_each_beat_is_another_content() -> None:
    holder = Holder.here("x")
    assert holder.encoded(1) != holder.encoded(2)


def test_a_free_lease_has_no_holder() -> None:
    assert Holder.decoded(b"null") is None


def test_a_holder_of_a_newer_release_is_known_by_what_is_known() -> None:
    holder = Holder.here("x")
    body = holder.encoded(0).replace(b"{", b'{"colour": "red", ', 1)
    assert Holder.decoded(body) == holder


@given(st.binary() | st.from_type(object).map(lambda value: repr(value).encode()))
def test_whatever_stands_there_it_is_somebody_or_nobody(body: bytes) -> None:
    found = Holder.decoded(body)
    assert found is None or set(asdict(found)) == set(asdict(Holder.here("x")))


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b'"text"', b"5", b"{}", b"\xff"])
def test_what_nobody_can_read_is_held_by_somebody_unknown(body: bytes) -> None:
    found = Holder.decoded(body)
    assert found is not None
    assert found.nonce == ""
    assert not found.surely_gone()
