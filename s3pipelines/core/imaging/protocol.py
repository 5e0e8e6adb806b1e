"""How a pool and its workers talk: frames of a JSON header and bytes, over a socket pair.

A frame is the length of the header (4 bytes, big-endian), the length of the bytes (8 bytes), the
header, and the bytes. Open files may travel along, so that a large image need not pass through the
socket, and has no name that could be left behind.
"""

import json
import os
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

_LENGTHS = struct.Struct(">IQ")
MAX_HEADER_BYTES = 1024 * 1024
MAX_BODY_BYTES = 1024 * 1024 * 1024
# An image, what comes of it, and the image as it arrives.
_MOST_FILES = 3


class BrokenFrame(Exception):
    """The other side is gone, or talks nonsense."""


@dataclass(frozen=True)
class Frame:
    """One message: a JSON object, bytes, and perhaps open files that are now the receiver's."""

    header: dict[str, Any]
    body: bytes | bytearray | memoryview = b""
    descriptors: tuple[int, ...] = field(default=(), compare=False)


def send(connection: socket.socket, frame: Frame) -> None:
    """Send a frame.

    Raises:
        OSError: The other side is gone, or took too long.
    """
    header = json.dumps(frame.header).encode()
    start = _LENGTHS.pack(len(header), len(frame.body)) + header
    if frame.descriptors:
        sent = socket.send_fds(connection, [start], frame.descriptors)
        start = start[sent:]
    connection.sendall(start)
    if len(frame.body):
        connection.sendall(frame.body)


def receive(connection: socket.socket) -> Frame | None:
    """The next frame, or None if the other side has ended.

    Raises:
        BrokenFrame: It ended within a frame, or the frame is not one.
        OSError: It took too long (`TimeoutError`), or was reset.
    """
    data, descriptors, _, _ = socket.recv_fds(connection, _LENGTHS.size, _MOST_FILES)
    if not data:
        return None
    try:
        start = data + _exactly(connection, _LENGTHS.size - len(data))
        header_bytes, body_bytes = _LENGTHS.unpack(start)
        if header_bytes > MAX_HEADER_BYTES or body_bytes > MAX_BODY_BYTES:
            raise BrokenFrame(f"A frame of {header_bytes} + {body_bytes} bytes.")
        header = json.loads(bytes(_exactly(connection, header_bytes)))
        if not isinstance(header, dict):
            raise BrokenFrame("A frame without an object.")
        return Frame(header, _exactly(connection, body_bytes), tuple(descriptors))
    except (ValueError, BrokenFrame) as error:
        for descriptor in descriptors:
            os.close(descriptor)
        raise BrokenFrame(str(error)) from error


def _exactly(connection: socket.socket, length: int) -> bytearray:
    buffer = bytearray(length)
    view = memoryview(buffer)
    while view:
        count = connection.recv_into(view)
        if count == 0:
            raise BrokenFrame("The other side ended within a frame.")
        view = view[count:]
    return buffer
