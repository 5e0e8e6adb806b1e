"""Services run until the block is left, and nothing of them is left behind, whatever happens."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from s3pipelines.services.supervisor import Services, ServiceStopped
from tests.services.processes import STUBBORN, is_gone, parent, sleeper, started, until

# A supervisor to be ended from outside. Its services note their pids, then it says so.
SUPERVISOR = """
import sys, time
from pathlib import Path
from s3pipelines.services.supervisor import Services
from tests.services.processes import SLEEPER, STUBBORN, parent, sleeper, started
home, deaf = Path(sys.argv[1]), "deaf" in sys.argv
with Services(home, grace_s=30 if deaf else 2) as services:
    services.start("tree", parent(home / "pids", STUBBORN if deaf else SLEEPER))
    services.start("leaf", sleeper(home / "pids"))
    started(home / "pids", 3)
    print("started", flush=True)
    services.wait()
"""


@pytest.fixture
def pids(tmp_path: Path) -> Path:
    return tmp_path / "pids"


def test_leaving_the_block_ends_all_services_and_what_they_started(tmp_path, pids):
    with Services(tmp_path) as services:
        services.start("tree", parent(pids))
        services.start("leaf", sleeper(pids))
        processes = started(pids, 3)
        services.check()
        assert not any(is_gone(process) for process in processes)
    assert all(is_gone(process) for process in processes)


def test_what_does_not_listen_is_killed_when_its_grace_is_over(tmp_path, pids):
    with Services(tmp_path, grace_s=1) as services:
        services.start("tree", parent(pids, STUBBORN))
        processes = started(pids, 2)
        time.sleep(0.3)  # until it has become deaf
        start = time.monotonic()
    assert all(is_gone(process) for process in processes)
    assert 1 <= time.monotonic() - start < 30


def test_a_service_may_clean_up_within_its_grace(tmp_path):
    program = (
        "import pathlib, sys, time\n"
        "print('up', flush=True)\n"
        "try: time.sleep(60)\n"
        "finally: time.sleep(0.5); pathlib.Path(sys.argv[1]).touch()\n"
    )
    handler = "import signal, sys; signal.signal(15, lambda *_: sys.exit(0))\n"
    with Services(tmp_path) as services:
        done = tmp_path / "done"
        services.start("careful", [sys.executable, "-c", handler + program, str(done)])
        assert until(lambda: "up" in services.log_path("careful").read_text())
    assert done.exists()


def test_a_service_that_ends_is_named_with_the_end_of_its_log(tmp_path, pids):
    with Services(tmp_path) as services:
        services.start("leaf", sleeper(pids))
        program = "import sys; print('\\x1b[32mline\\x1b[0m', *range(3)); sys.exit('it broke')"
        services.start("fragile", [sys.executable, "-c", program])
        with pytest.raises(ServiceStopped, match=r"fragile stopped with exit status 1") as caught:
            services.wait(timeout_s=10)
    assert str(caught.value).endswith("fragile.log ends with: line 0 1 2 | it broke")


def test_a_service_that_is_killed_is_noticed_too(tmp_path, pids):
    with Services(tmp_path) as services:
        services.start("leaf", sleeper(pids))
        started(pids, 1)[0].kill()
        with pytest.raises(ServiceStopped, match="exit status 137"):
            services.wait(timeout_s=10)


def test_what_a_service_leaves_behind_when_it_ends_by_itself_is_ended(tmp_path, pids):
    with Services(tmp_path) as services:
        services.start("tree", parent(pids, lives_s=0.5))
        child = started(pids, 2)[1]
        with pytest.raises(ServiceStopped, match="exit status 0"):
            services.wait(timeout_s=10)
        assert is_gone(child)


def test_waiting_ends_after_the_time_given(tmp_path, pids):
    with Services(tmp_path) as services:
        services.start("leaf", sleeper(pids))
        start = time.monotonic()
        services.wait(timeout_s=0.5)
        assert 0.5 <= time.monotonic() - start < 30


def test_a_program_that_does_not_exist_is_a_service_that_stopped(tmp_path):
    with Services(tmp_path) as services:
        services.start("missing", [str(tmp_path / "no-such-program")])
        with pytest.raises(ServiceStopped, match="no-such-program"):
            services.wait(timeout_s=10)


@contextmanager
def supervisor(home: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor in a process group of its own, as a terminal would start it."""
    arguments = [sys.executable, "-c", SUPERVISOR, str(home), *options]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_however_the_supervisor_ends_nothing_is_left(tmp_path, pids, number):
    with supervisor(tmp_path) as process:
        processes = started(pids, 3)
        process.send_signal(number)
        process.wait(10)
    assert until(lambda: all(is_gone(each) for each in processes), seconds=5)


def test_sigterm_ends_the_supervisor_with_its_usual_status(tmp_path):
    with supervisor(tmp_path) as process:
        process.terminate()
        assert process.wait(10) == 143


def test_a_second_interrupt_kills_what_does_not_end(tmp_path, pids):
    with supervisor(tmp_path, "deaf") as process:
        processes = started(pids, 3)
        time.sleep(0.3)  # until it has become deaf
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None, "it waits for the deaf one"
        process.send_signal(signal.SIGINT)
        process.wait(5)
    assert until(lambda: all(is_gone(each) for each in processes), seconds=2)


def test_an_interrupt_in_the_terminal_reaches_only_the_supervisor(tmp_path):
    notes = tmp_path / "notes"
    program = (
        "import pathlib, signal, sys\n"
        "note = lambda number, _: pathlib.Path(sys.argv[1]).write_text(str(number))\n"
        "for number in (2, 15): signal.signal(number, note)\n"
        "print('up', flush=True)\n"
        "signal.pause()\n"
    )
    starter = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from s3pipelines.services.supervisor import Services\n"
        "with Services(Path(sys.argv[1])) as services:\n"
        "    services.start('notes', [sys.executable, '-c', *sys.argv[2:]])\n"
        "    while 'up' not in services.log_path('notes').read_text(): time.sleep(0.05)\n"
        "    print('started', flush=True)\n"
        "    services.wait()\n"
    )
    arguments = [sys.executable, "-c", starter, str(tmp_path), program, str(notes)]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        process.wait(10)
    assert notes.read_text() == str(int(signal.SIGTERM))


def test_a_service_started_where_interrupts_are_ignored_still_hears_them(tmp_path):
    # As a shell starts what it runs in the background.
    program = "import signal; print(signal.getsignal(signal.SIGINT), flush=True); signal.pause()"
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Services(tmp_path) as services:
            services.start("asks", [sys.executable, "-c", program])
            assert until(lambda: services.log_path("asks").read_text() != "")
            assert "default_int_handler" in services.log_path("asks").read_text()
    finally:
        signal.signal(signal.SIGINT, previous)


def test_a_killed_tether_takes_its_service_with_it(tmp_path, pids):
    with Services(tmp_path) as services:
        services.start("leaf", sleeper(pids))
        leaf = started(pids, 1)[0]
        tether = leaf.parent()
        assert tether is not None
        tether.kill()
        assert until(lambda: is_gone(leaf), seconds=5)
        with pytest.raises(ServiceStopped, match="exit status -9"):
            services.wait(timeout_s=10)


def test_the_services_keep_a_lock_open_but_what_they_run_does_not(tmp_path, pids):
    path = tmp_path / "lock"
    with path.open("w") as lock, Services(tmp_path, keep_open=[lock.fileno()]) as services:
        services.start("leaf", sleeper(pids))
        leaf = started(pids, 1)[0]
        tether = leaf.parent()
        assert tether is not None
        assert path in files_of(tether)
        assert path not in files_of(leaf)


def files_of(process: psutil.Process) -> list[Path]:
    return [path.readlink() for path in Path(f"/proc/{process.pid}/fd").iterdir()]


def test_a_service_gets_its_own_variables_and_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("OURS", "inherited")
    program = "import os; print(os.environ['OURS'], os.environ['ITS'], flush=True)"
    with Services(tmp_path) as services:
        services.start("asks", [sys.executable, "-c", program], {"ITS": "own"})
        assert until(lambda: services.log_path("asks").read_text() == "inherited own\n")


def test_the_log_of_the_last_time_is_kept(tmp_path):
    for text in ("first", "second"):
        with Services(tmp_path) as services:
            services.start("says", [sys.executable, "-c", f"print('{text}')"])
            with pytest.raises(ServiceStopped):
                services.wait(timeout_s=10)
    assert services.log_path("says").read_text() == "second\n"
    assert (tmp_path / "service-logs" / "says.log.1").read_text() == "first\n"


def test_services_can_be_used_outside_the_main_thread(tmp_path, pids):
    seen: list[bool] = []

    def run() -> None:
        with Services(tmp_path) as services:
            services.start("leaf", sleeper(pids))
            processes = started(pids, 1)
        seen.extend(is_gone(process) for process in processes)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [True]
