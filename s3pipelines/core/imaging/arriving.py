"""Handing a worker a file while it arrives: through a pipe, at the pace of whoever is slower."""

import fcntl
import os
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

from s3pipelines.core.imaging.protocol import Frame, send

Arriving = Iterator[bytes]
# Linux's 64 kB let the two take turns 1,500 times for 100 MB.
_PIPE_BYTES = 1024 * 1024


class BrokeOff(Exception):
    """What was to arrive did not; the cause says why."""


def send_arriving(
    connection: socket.socket, request: Frame, arriving: Arriving, deadline: float
) -> None:
    """Send a request, and then the pieces of its file as they come.

    The pipe is the last descriptor but one. A worker that has seen enough closes it, and is sent no
    more; what it answers then is its answer.

    Args:
        connection: To the worker.
        request: What is asked; its last descriptor is the file that is written.
        arriving: The pieces.
        deadline: When the worker must have taken all, by the monotonic clock.

    Raises:
        TimeoutError: It has not.
        OSError: The worker was gone before it took the request.
        BrokeOff: `arriving` raised the cause of it.
    """
    theirs, ours = os.pipe()
    try:
        try:
            *before, output = request.descriptors
            sent = Frame(request.header, request.body, (*before, theirs, output))
            send(connection, sent)
        finally:
            os.close(theirs)
        os.set_blocking(ours, False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):  # More than this user may have in pipes.
                fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        _pour(ours, arriving, deadline)
    finally:
        os.close(ours)


def _pour(pipe: int, arriving: Arriving, deadline: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_WRITE)
        for piece in _pieces(arriving):
            view = memoryview(piece)
            while view:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not selector.select(left_s):
                    raise TimeoutError
                try:
                    view = view[os.write(pipe, view) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    return


def _pieces(arriving: Arriving) -> Arriving:
    try:
        yield from arriving
    except Exception as error:
        # Told apart from what goes wrong with the worker, which may be an OSError as well.
        raise BrokeOff from error
