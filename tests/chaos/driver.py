"""A history of events that consumers take in while they are killed again and again."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import CHANGES
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.index.refresh import Refresh, refresh_index
from s3pipelines.core.sources.registry import create_source, get_source
from tests.chaos.client import ROOT, Server
from tests.chaos.consumer import PHASES, Setting, phase_of

SOURCE, BUCKET = "maps", "maps"
DUPLICATES = LOST = 0.05
WINDOW = 100
_CONSUMERS = 2
_POLL_S = 0.001


@dataclass(frozen=True)
class Plan:
    """What happens, which follows from the seed alone; when, the machine decides.

    Attributes:
        settle_s: See `Source`.
        step_s: Most seconds from one kill to the next.
    """

    events: int
    keys: int
    kills: int
    seed: int = 1
    settle_s: int = 0
    step_s: float = 1.5
    visibility_s: int = 5

    @property
    def end_s(self) -> float:
        """Seconds in which all must be taken in after the last kill."""
        return max(600, self.events / 200)


@dataclass
class Story:
    """What happened.

    Attributes:
        kills: How many, by the phase that the consumer was in.
        storm_s: Seconds from the first event to the last kill.
        calm_s: Seconds from there until all was taken in.
        repaired: Changes that listings found which went on meanwhile.
        listed_up_to: Version of the ledger when the last of these began: it answers for keys of
            which it says nothing, too.
        said: What consumers wrote to stderr.
    """

    kills: Counter[str] = field(default_factory=Counter)
    storm_s: float = 0.0
    calm_s: float = 0.0
    repaired: int = 0
    listed_up_to: int = -1
    said: str = ""


class Nursery:
    """Consumers, of which one that is killed is replaced at once."""

    def __init__(self, setting: Setting, errors: int) -> None:
        command = [sys.executable, "-m", "tests.chaos.consumer", setting.encoded()]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
        )
        self._phases = Path(setting.phases)
        self.pids = [self._birth() for _ in range(_CONSUMERS)]

    def kill(self, rng: random.Random, within_s: float) -> str:
        """Kill one in a phase that is drawn, or any when none comes to it in time."""
        wanted = rng.choice([*PHASES, None])
        place = rng.randrange(_CONSUMERS)
        until = time.monotonic() + (within_s if wanted else rng.uniform(0, within_s))
        while time.monotonic() < until:
            doing = [phase_of(self._phases, pid) for pid in self.pids]
            if wanted in doing:
                place = doing.index(wanted)
                break
            time.sleep(_POLL_S)
        # At the beginning of the phase, or somewhere in it.
        time.sleep(rng.choice((0, rng.uniform(0, 0.03))))
        phase = phase_of(self._phases, self.pids[place])
        try:
            os.kill(self.pids[place], signal.SIGKILL)
        except ProcessLookupError as error:
            raise AssertionError("A consumer ended by itself.") from error
        self.pids[place] = self._birth()
        return phase

    def close(self) -> None:
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.communicate()

    def _birth(self) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def prepared(server: Server, folder: Path, plan: Plan) -> Setting:
    """A catalog with a source that was listed before anything happened."""
    server.control(
        f"play?bucket={BUCKET}&seed={plan.seed}&events={plan.events}&keys={plan.keys}"
        f"&duplicates={DUPLICATES}&lost={LOST}&window={WINDOW}"
    )
    phases = folder / "phases"
    phases.mkdir()
    setting = Setting(
        str(folder / "catalog"), server.url, server.queue_url, str(phases), plan.visibility_s
    )
    create_source(setting.catalog, SOURCE, f"s3://{BUCKET}", settle_s=plan.settle_s)
    # A listing that finds an empty index takes all in at once, without a word in the ledger.
    server.client("s3").put_object(Bucket=BUCKET, Key="there from the beginning", Body=b"1")
    time.sleep(plan.settle_s + 1)
    refresh_index(setting.catalog, SOURCE)
    return setting


def play(server: Server, setting: Setting, plan: Plan) -> Story:
    """Let everything happen, and wait until all of it that was told is in the index."""
    story, rng = Story(), random.Random(plan.seed)
    with _nursery(setting, story) as nursery, ThreadPoolExecutor(1) as listing:
        started = time.monotonic()
        refreshes: list[Future[Refresh]] = []
        for step in range(plan.kills):
            due = plan.events * (step + 1) // plan.kills - plan.events * step // plan.kills
            server.control(f"release?events={due}")
            if step % max(1, plan.kills // 4) == 1:
                refreshes.append(listing.submit(_refresh, setting.catalog, story))
            story.kills[nursery.kill(rng, plan.step_s)] += 1
        story.storm_s = time.monotonic() - started
        story.repaired = sum(refresh.result().changed for refresh in refreshes)
        _wait_until_quiet(server, setting.catalog, plan.end_s)
        story.calm_s = time.monotonic() - started - story.storm_s
    return story


def _refresh(catalog: Catalog, story: Story) -> Refresh:
    def say(line: str) -> None:
        if line.startswith("Listing "):
            version = open_table(catalog, CHANGES).version()
            story.listed_up_to = max(story.listed_up_to, version)

    return refresh_index(catalog, SOURCE, say=say)


def _wait_until_quiet(server: Server, catalog: Catalog, end_s: float) -> None:
    source, until = get_source(catalog, SOURCE), time.monotonic() + end_s
    while True:
        state = server.control("state", "GET")
        pending = read_pending(catalog, source)
        if state["queue_visible"] == state["queue_in_flight"] == 0 and pending is None:
            return
        assert time.monotonic() < until, f"After {end_s:.0f} s there is left: {state}, {pending}"
        time.sleep(0.1)


@contextmanager
def _nursery(setting: Setting, story: Story) -> Iterator[Nursery]:
    with tempfile.TemporaryFile() as errors:
        nursery = Nursery(setting, errors.fileno())
        try:
            yield nursery
        finally:
            nursery.close()
            errors.seek(0)
            story.said = errors.read().decode(errors="replace")
            if story.said:
                print(f"Consumers said:\n{story.said[-5000:]}")
