"""The programs that we measure ourselves beside."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.fakes3 import FakeS3, Unavailable
from benchmarks.measuring import ContenderFailed, Measured, measure


def s5cmd() -> str:
    """The path of s5cmd, beside this Python or on the path.

    Raises:
        Unavailable: It is not installed.
    """
    beside_python = str(Path(sys.executable).parent)
    found = shutil.which("s5cmd", path=beside_python) or shutil.which("s5cmd")
    if found is None:
        raise Unavailable("s5cmd is not installed (it is in the extra 'dev').")
    return found


def aws_cli() -> str | None:
    """The path of the AWS CLI; None if it is absent, or a shim with nothing behind it."""
    program = shutil.which("aws")
    if program is None or _fails(program, "--version"):
        return None
    return program


def rclone(server: FakeS3, longest_s: int, *words: str) -> Measured | None:
    """A run of rclone, with the server as `{remote}`; None if it is absent or takes too long."""
    program = shutil.which("rclone")
    if program is None:
        return None
    remote = f":s3,provider=Other,env_auth=true,endpoint='{server.endpoint}':"
    command = [word.replace("{remote}", remote) for word in words]
    try:
        return measure(["timeout", str(longest_s), program, *command], server.environment())
    except ContenderFailed:
        return None


def _fails(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode != 0
