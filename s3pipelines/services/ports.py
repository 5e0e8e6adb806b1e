"""Ports on the loopback interface."""

import socket

from s3pipelines.core.errors import InvalidInput

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def require_free(port: int, option: str = "--port") -> None:
    """Refuse a port that could not be listened on.

    Args:
        port: Its number.
        option: Where another one can be chosen.

    Raises:
        InvalidInput: The port is taken, reserved or no port number.
    """
    with socket.socket() as probe:
        # As servers do: a connection that was closed a moment ago is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError as error:
            raise _refusal(port, "may not be used", option) from error
        except OverflowError as error:
            raise _refusal(port, "does not exist", option) from error
        except OSError as error:
            raise _refusal(port, "is taken", option) from error


def _refusal(port: int, reason: str, option: str) -> InvalidInput:
    return InvalidInput(f"Port {port} {reason}.", hint=f"Choose another with {option}.")
