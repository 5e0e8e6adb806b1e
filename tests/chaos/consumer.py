"""Consumers of events, made to be killed: queue to ledger to index, over and over.

`python -m tests.chaos.consumer JSON` is a nursery: it imports everything once, and forks a consumer
for each line of its input, whose process id it prints. So one that was killed is replaced in
milliseconds, where its imports alone would take a second or two.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection import drain, ledger
from s3pipelines.core.detection.mailboxes import collect
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.index import answers, apply, turns, upkeep
from s3pipelines.core.sources.registry import list_sources
from s3pipelines.core.storage import queues
from s3pipelines.core.storage.locations import FolderLocation
from tests.chaos.client import access_to

# Where a consumer can be killed: each is a call, and what is not one of them is `between`.
PHASES: dict[str, tuple[Any, str]] = {
    "receive": (queues.Queue, "receive"),
    "ledger commit": (ledger, "append_rows"),
    "pending note": (ledger, "note_hints"),
    "delete": (queues.Queue, "delete"),
    "HEAD": (answers.Answers, "_ask_s3"),
    "answers commit": (answers, "append_through"),
    "index commit": (upkeep, "commit"),
    "settle": (turns, "settle"),
    "upkeep": (apply, "fold_if_due"),
}
_WIDTH = 16
# Some calls take long now and then, as on a real network: so consumers overtake each other, and the
# shortest phases are hit as well.
_SLOW, _SLOW_S = 0.05, 1.0


@dataclass(frozen=True)
class Setting:
    """What a consumer works on.

    Attributes:
        folder: Of the catalog.
        url: Of the server.
        queue_url: Of the queue.
        phases: Folder where each consumer tells its phase, in a file named by its process id.
        visibility_s: When messages come back that a killed consumer had received.
    """

    folder: str
    url: str
    queue_url: str
    phases: str
    visibility_s: int

    @property
    def catalog(self) -> Catalog:
        return Catalog(FolderLocation(Path(self.folder)), access_to(self.url))

    def encoded(self) -> str:
        return json.dumps(asdict(self))


def phase_of(folder: Path, pid: int) -> str:
    """What a consumer is doing."""
    try:
        return folder.joinpath(str(pid)).read_text().strip() or "between"
    except FileNotFoundError:
        return "between"


def work(setting: Setting) -> None:
    """Consume until killed."""
    catalog = setting.catalog
    while True:
        try:
            sources = list_sources(catalog)
            collected = collect(catalog, setting.queue_url, sources, budget_s=1)
            for problem in collected.problems:
                print(problem, file=sys.stderr, flush=True)
            for source in sources:
                pending = read_pending(catalog, source)
                due = pending is not None and (pending.hints or _is_due(pending.due_at))
                if due:
                    apply.apply_changes(catalog, source.id)
        except S3PipelinesError as error:  # A run that failed: the next tick requests another.
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)


def _is_due(due_at: Any) -> bool:
    return due_at is not None and due_at.timestamp() <= time.time()


def shrink(setting: Setting) -> None:
    """Small batches, so that what a kill undoes is done again soon, and every way is taken."""
    queues.VISIBILITY_S = setting.visibility_s
    drain._MESSAGES_PER_COMMIT = 1000
    answers._KEYS_PER_COMMIT = 400
    upkeep.SMALL_BYTES = 64 * 1024


def _tell_phases(path: Path) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    rng = random.Random(os.getpid())

    def told(phase: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def telling(*args: Any, **kwargs: Any) -> Any:
            os.pwrite(descriptor, phase.ljust(_WIDTH).encode(), 0)
            if rng.random() < _SLOW:
                time.sleep(rng.uniform(0, _SLOW_S))
            try:
                return call(*args, **kwargs)
            finally:
                os.pwrite(descriptor, b" " * _WIDTH, 0)

        return telling

    for phase, (owner, name) in PHASES.items():
        setattr(owner, name, told(phase, getattr(owner, name)))


def _born(setting: Setting) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _tell_phases(Path(setting.phases, str(os.getpid())))
    try:
        work(setting)
    finally:  # Only a fault ends it, and a fork must not unwind into the nursery.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def main() -> None:
    setting = Setting(**json.loads(sys.argv[1]))
    shrink(setting)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The dead need no burial.
    for _ in iter(sys.stdin.readline, ""):
        if (pid := os.fork()) == 0:
            _born(setting)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
