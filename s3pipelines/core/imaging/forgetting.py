"""Not counting a mapped file as memory of this process while it is read, in a worker."""

import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# A decoder comes through 10 MB in this time.
_EVERY_S = 0.1


@contextmanager
def forgotten(mapped: mmap.mmap) -> Iterator[None]:
    """Give back, a few times a second, the pages that were looked at.

    Each of them would count as memory of this process until it ends: all 0.9 GB of a photograph of
    a gigapixel, of which 70 MB are decoded pixels. They stay in the memory of the kernel for as
    long as it has no better use for that, so looking at one again costs next to nothing.
    """
    ended = threading.Event()

    def forget() -> None:
        while not ended.wait(_EVERY_S):
            mapped.madvise(mmap.MADV_DONTNEED)

    thread = threading.Thread(target=forget, name="forget", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
