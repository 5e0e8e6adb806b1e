"""Which libraries read images on this machine."""

from functools import cache

from s3pipelines.core.imaging.pool import DecodePool


@cache
def reader_version() -> str:
    """The libraries of the decode workers; they do not change while a process lives.

    Starts a worker the first time, which takes some 0.3 s.

    Raises:
        RuntimeError: Workers do not start on this machine.
    """
    with DecodePool(workers=1) as pool:
        return pool.reader_version
