"""Workers that hang, crash, are killed or run out of memory: each costs one image."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from s3pipelines.core.imaging import budget
from s3pipelines.core.imaging.budget import Slots, machine_slots
from s3pipelines.core.imaging.limits import Limits
from s3pipelines.core.imaging.outcomes import Refused
from s3pipelines.core.imaging.thumbnails import make_thumbnail
from tests.core.imaging.conftest import MakePool
from tests.core.imaging.pictures import file_of, quadrants

SMALL = file_of(quadrants(), "JPEG")
LARGE = file_of(quadrants(6000, 4000), "JPEG", progressive=True)
MB = 1024 * 1024


@pytest.mark.slow
def test_killed_workers_cost_one_image_each_and_leave_nothing(
    make_pool: MakePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    pool = make_pool(workers=2)
    assert pool.reader_version
    seen: set[int] = set()
    outcomes: list[str] = []
    stop = threading.Event()

    def kill() -> None:
        while not stop.wait(random.uniform(0.02, 0.15)):
            pids = pool.pids()
            seen.update(pids)
            if pids:
                _kill(random.choice(pids))

    def draw(_: int) -> str:
        try:
            make_thumbnail(pool, LARGE, "jpg")
        except Refused as refused:
            return refused.failure.reason
        return "made"

    killer = threading.Thread(target=kill)
    killer.start()
    with ThreadPoolExecutor(4) as threads:
        outcomes += threads.map(draw, range(40))
    stop.set()
    killer.join()
    seen.update(pool.pids())
    pool.close()

    assert len(outcomes) == 40
    assert set(Counter(outcomes)) <= {"made", "crashed"}
    assert not [pid for pid in seen if psutil.pid_exists(pid)]
    assert not list((tmp_path / "tmp").iterdir())


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_a_worker_that_hangs_is_given_up_and_replaced(make_pool: MakePool):
    pool = make_pool(Limits(wall_s=0.5), workers=1)
    assert pool.reader_version
    (hanging,) = pool.pids()
    os.kill(hanging, signal.SIGSTOP)

    started = time.monotonic()
    with pytest.raises(Refused) as refused:
        make_thumbnail(pool, SMALL, "jpg")

    assert refused.value.failure.reason == "timeout"
    assert "0.5 s" in refused.value.failure.detail
    assert time.monotonic() - started < 30
    assert not psutil.pid_exists(hanging)
    pool.limits = Limits()  # pyright: ignore[reportAttributeAccessIssue]
    assert make_thumbnail(pool, SMALL, "jpg").width_px == 120


@pytest.mark.parametrize("memory_bytes", [2 * MB, 16 * MB, 40 * MB])
def test_an_image_that_needs_too_much_memory_is_told_so(memory_bytes, make_pool: MakePool):
    pool = make_pool(Limits(memory_bytes=memory_bytes), workers=1)

    with pytest.raises(Refused) as refused:
        make_thumbnail(pool, LARGE, "jpg")

    assert refused.value.failure.reason == "out_of_memory"


def test_a_worker_that_died_while_idle_costs_nothing(make_pool: MakePool):
    pool = make_pool(workers=1)
    make_thumbnail(pool, SMALL, "jpg")
    _kill(pool.pids()[0])
    time.sleep(0.1)

    assert make_thumbnail(pool, SMALL, "jpg").width_px == 120


def test_a_worker_ends_when_its_pool_is_killed(tmp_path: Path):
    script = (
        "import time, sys\n"
        "from s3pipelines.core.imaging.pool import DecodePool\n"
        "pool = DecodePool(workers=1)\n"
        "pool.reader_version\n"
        "print(pool.pids()[0], flush=True)\n"
        "time.sleep(60)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    owner.stdout.close()

    deadline = time.monotonic() + 5
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_workers_may_not_write_files_or_dump_core(make_pool: MakePool):
    pool = make_pool(workers=1)
    assert pool.reader_version
    limits = Path(f"/proc/{pool.pids()[0]}/limits").read_text()
    values = {line[:25].strip(): line[25:].split()[0] for line in limits.splitlines()[1:]}

    assert values["Max file size"] == "0"
    assert values["Max core file size"] == "0"
    assert int(values["Max open files"]) <= 64


def test_a_closed_pool_decodes_nothing(make_pool: MakePool):
    pool = make_pool()
    pool.close()
    with pytest.raises(RuntimeError, match="closed"):
        make_thumbnail(pool, SMALL, "jpg")


def test_slots_are_shared_by_all_who_name_the_same_folder(tmp_path: Path):
    held: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def work(_: int) -> None:
        with Slots(3, tmp_path / "slots").one():
            with lock:
                held.append(1)
                most.append(len(held))
            time.sleep(0.01)
            with lock:
                held.pop()

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(work, range(40)))

    assert max(most) == 3


def test_the_slot_of_a_killed_process_is_free_again(tmp_path: Path):
    script = (
        "import pathlib, sys, time\n"
        "from s3pipelines.core.imaging.budget import Slots\n"
        "with Slots(1, pathlib.Path(sys.argv[1])).one():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    folder = tmp_path / "slots"
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    holder.stdout.close()

    with Slots(1, folder).one():
        pass


def test_there_is_a_slot_on_the_smallest_machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(budget, "_memory_bytes", lambda: 512 * MB)
    assert machine_slots(1024 * MB) == 1
    monkeypatch.setattr(budget, "_memory_bytes", lambda: 1024 * 1024 * MB)
    assert machine_slots(1024 * MB) == budget._cores()
