"""Small programs for the tests of services, and looking whether they are still there."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

# Writes its pid and sleeps.
SLEEPER = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(60)"

# The same, deaf to every polite request.
STUBBORN = "import signal\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\n" + SLEEPER

# Starts another program in a session of its own and sleeps beside it.
PARENT = (
    "import os, subprocess, sys, time\n"
    "open(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\n"
    "subprocess.Popen([sys.executable, '-c', sys.argv[2], sys.argv[1]], start_new_session=True)\n"
    "time.sleep(float(sys.argv[3]))\n"
)


def sleeper(pids: Path, program: str = SLEEPER) -> list[str]:
    """Arguments of a program that notes its pid in a file."""
    return [sys.executable, "-c", program, str(pids)]


def parent(pids: Path, program: str = SLEEPER, lives_s: float = 60) -> list[str]:
    """Arguments of a program with a child that hides in its own session."""
    return [sys.executable, "-c", PARENT, str(pids), program, str(lives_s)]


def started(pids: Path, count: int) -> list[psutil.Process]:
    """The processes that noted their pids, once there are so many."""
    assert until(lambda: pids.exists() and len(pids.read_text().split()) == count)
    return [psutil.Process(int(pid)) for pid in pids.read_text().split()]


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(condition: Callable[[], bool], seconds: float = 15) -> bool:
    """Wait for a condition; whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()
