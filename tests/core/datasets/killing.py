"""Processes that are killed while they transfer, at a request that is drawn by chance."""

import os
import random
import subprocess
import sys
from pathlib import Path

from tests.core.datasets.proxy import Answer, CountingProxy, Passed

_ROOT = Path(__file__).parents[3]
_LONGEST_S = 300


def repeat_until_done(
    proxy: CountingProxy, catalog: str, work: list[str], kills: int, latest: int
) -> int:
    """Repeat a work of `transfer_worker`, killed again and again, at last not; how many kills.

    Args:
        proxy: What it asks S3 through.
        catalog: The folder of its catalog.
        work: Its name and arguments.
        kills: Most kills.
        latest: After so many requests at the latest, a process is killed.
    """
    rng, made = random.Random(kills), 0
    for attempt in range(kills + 1):
        at = rng.randint(1, latest) if attempt < kills else None
        if _ended(proxy, catalog, work, at):
            break
        made += 1
        _await_quiet(proxy)
    return made


def _ended(proxy: CountingProxy, catalog: str, work: list[str], at: int | None) -> bool:
    """Whether it came to its end; with SIGKILL at a request, else."""
    command = [sys.executable, "-m", "tests.core.datasets.transfer_worker", *work]
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": proxy.endpoint,
        "TRANSFER_CATALOG": catalog,
    }
    child = subprocess.Popen(command, cwd=_ROOT, env=environment, stderr=subprocess.PIPE)
    asked = 0

    def kill(_: Passed, answer: Answer) -> Answer | None:
        nonlocal asked
        asked += 1
        if at is not None and asked >= at:
            child.kill()
            return None
        return answer

    proxy.change = kill
    _, said = child.communicate(timeout=_LONGEST_S)
    proxy.change = lambda _, answer: answer
    assert child.returncode in ((0,) if at is None else (0, -9)), said.decode()
    return child.returncode == 0


def _await_quiet(proxy: CountingProxy) -> None:
    """Wait for what a killed process had still sent, and keep all that has passed."""
    kept = list(proxy.passed)
    proxy.forget()
    proxy.passed = kept
