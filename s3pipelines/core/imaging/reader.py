"""Which libraries read images on this machine."""

import time
from functools import lru_cache

from s3pipelines.core.imaging.pool import DecodePool

# An upgrade changes what new workers say, also those of a process that goes on.
_TRUSTED_FOR_S = 600


def reader_version() -> str:
    """The libraries of the decode workers of this machine.

    Starts a worker every ten minutes, which takes some 0.3 s.

    Raises:
        RuntimeError: Workers do not start on this machine.
    """
    return _asked(int(time.monotonic() / _TRUSTED_FOR_S))


@lru_cache(maxsize=1)
def _asked(_moment: int) -> str:
    with DecodePool(workers=1) as pool:
        return pool.reader_version
