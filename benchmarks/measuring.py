"""Running one contender as a process, and what it took: wall time, CPU time, peak memory.

Peak memory is `ru_maxrss` of `wait4`: the kernel's own high-water mark of resident memory, exact
and free, of the largest single process among the child and the descendants that it waited for. No
contender whose peak is read this way works in two processes at a time. It counts shared libraries
and mapped files as well as the heap, and its floor is the size of the process that starts the
contender (about 20 MB). Contenders of several processes are measured by `trees` besides.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.trees import PeakOfTree

_ROOT = Path(__file__).parents[1]
_FOREIGN = ("AWS_", "S3PIPELINES_", "DAGSTER_")


class ContenderFailed(Exception):
    """A contender ended with another status than 0."""


@dataclass(frozen=True)
class Measured:
    """One run of one contender.

    Attributes:
        wall_s: From its start to its end, interpreter and imports included.
        cpu_s: User and system time of it and its children.
        peak_mb: Most resident memory of its largest process, in MB (10^6 bytes).
        tree_mb: Most memory of it and its descendants together (PSS), as far as it was sampled.
        said: The JSON object that a contender of this package printed.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    tree_mb: float
    said: dict[str, Any]


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Measured:
    """Run `command` to its end, with its output thrown away.

    Raises:
        ContenderFailed: It failed; the message has the end of what it wrote to stderr.
    """
    with Path(os.devnull).open("wb") as output:
        return _measure(command, environment, output.fileno())


def contend(
    name: str, *arguments: object, environment: Mapping[str, str] | None = None
) -> Measured:
    """Run a function of `benchmarks.contenders` in a process of its own.

    Raises:
        ContenderFailed: It failed.
    """
    texts = [str(argument) for argument in arguments]
    command = [sys.executable, "-m", "benchmarks.contenders", name, *texts]
    with tempfile.TemporaryFile() as output:
        measured = _measure(command, environment or {}, output.fileno())
        output.seek(0)
        measured.said.update(json.loads(output.read()))
    return measured


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment without this machine's own S3 settings, and with `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    no_files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**kept, **no_files, "AWS_EC2_METADATA_DISABLED": "true", **extra}


def sizes(folder: Path) -> dict[Path, int]:
    """Size in bytes of every file below a folder."""
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def written_mb(folder: Path, before: Mapping[Path, int]) -> float:
    """MB in files that were not there `before`; Delta never writes to a file that is there."""
    return sum(size for path, size in sizes(folder).items() if path not in before) / 1e6


def _measure(command: Sequence[str], environment: Mapping[str, str], stdout: int) -> Measured:
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=errors,
            cwd=_ROOT,
            env=clean_environment(environment),
        )
        try:
            with PeakOfTree(process.pid) as tree:
                _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall_s = time.perf_counter() - started
        # It has been waited for: Popen must not do so again.
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            end = errors.read().decode(errors="replace").strip()[-2000:]
            raise ContenderFailed(f"{' '.join(command)} ended with {process.returncode}:\n{end}")
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    cpu_s = usage.ru_utime + usage.ru_stime
    return Measured(wall_s, cpu_s, usage.ru_maxrss * unit / 1e6, tree.peak_mb, {})
