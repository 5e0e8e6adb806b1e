"""Ports that are free, and refusing those that are not."""

import socket

import pytest

from s3pipelines.core.errors import InvalidInput
from s3pipelines.services.ports import free_port, require_free


def test_a_free_port_can_be_listened_on():
    port = free_port()
    require_free(port)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_port_that_somebody_listens_on_is_refused(address):
    with socket.socket() as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(InvalidInput) as caught:
            require_free(port)
    assert str(caught.value) == f"Port {port} is taken. Choose another with --port."


def test_a_port_just_closed_is_free():
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = listener.accept()
            accepted.close()  # the side that closes first keeps the port in TIME_WAIT
            client.recv(1)
    require_free(port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_what_is_no_port_is_refused(port):
    with pytest.raises(InvalidInput, match="does not exist"):
        require_free(port)
