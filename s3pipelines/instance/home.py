"""Where the Dagster instance lives: DAGSTER_HOME, or a folder of our own.

Without a home, Dagster keeps its state in a temporary folder and deletes it at the end, with
partitions, cursors and run keys. So there always is one.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import psutil
from dagster import DagsterInstance

from s3pipelines.core.errors import InvalidInput

DEFAULT_HOME = Path(".s3pipelines/dagster")

# What a killed `up` started needs up to ten seconds to end, and then some to be killed.
_DYING_S = 30


def ensure_home(home: Path | None = None) -> Path:
    """Make sure that there is a home, with a `dagster.yaml`, and point DAGSTER_HOME at it.

    A `dagster.yaml` that is there is never changed.

    Args:
        home: By default DAGSTER_HOME, or `.s3pipelines/dagster` in the working directory.

    Returns:
        The absolute path of the home.

    Raises:
        InvalidInput: The folder cannot be made or written.
    """
    chosen = home or Path(os.environ.get("DAGSTER_HOME") or DEFAULT_HOME)
    path = chosen.expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        _write_configuration(path)
    except OSError as error:
        raise InvalidInput(
            f"The Dagster home {path} cannot be written: {error.strerror}.",
            hint="Set DAGSTER_HOME to a folder of yours.",
        ) from error
    os.environ["DAGSTER_HOME"] = str(path)
    return path


def open_instance() -> DagsterInstance:
    """Open the instance of the home, which is made where there is none.

    Raises:
        InvalidInput: The home cannot be made or written.
    """
    home = ensure_home()
    # Two processes that open a new home at once both create the tables, and one of them fails with
    # "table secondary_indexes already exists" (seen with dagster 1.13.27).
    with (home / "open.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return DagsterInstance.get()


@contextmanager
def exclusive_home(home: Path) -> Iterator[int]:
    """Hold the home for one `up` or `demo`; whoever holds it knows that no other one runs.

    Yields:
        The file descriptor of the lock. Processes that inherit it hold the home on after this one
        was killed, until they have ended as well (see `Services`).

    Raises:
        InvalidInput: Another one holds it.
    """
    with (home / "up.lock").open("a+") as lock:
        if not _acquire(lock.fileno(), holder=_recorded_pid(home)):
            raise InvalidInput(
                f"Another s3pipelines is already running on {home}.",
                hint="Stop it, or set DAGSTER_HOME to another folder.",
            )
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield lock.fileno()


def _write_configuration(home: Path) -> None:
    target = home / "dagster.yaml"
    if target.exists():
        return
    # Renamed into place, so that nobody ever reads half of it.
    draft = home / f"dagster.yaml.{os.getpid()}"
    draft.write_text(files("s3pipelines.instance").joinpath("dagster.yaml").read_text())
    draft.rename(target)


def _recorded_pid(home: Path) -> int | None:
    text = (home / "up.lock").read_text().strip()
    return int(text) if text.isdigit() else None


def _acquire(lock: int, holder: int | None) -> bool:
    """Take the lock; if its holder was killed, wait for what it had started to end."""
    deadline = time.monotonic() + _DYING_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if holder is None or psutil.pid_exists(holder) or time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        else:
            return True
