"""Where the servers listen: the options of `up` and `demo`, written once."""

from collections.abc import Callable
from typing import Any

import click

_HIGHEST = 65535


def port_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--port` and `--viewer-port` to a command."""
    viewer = click.option(
        "--viewer-port",
        type=click.IntRange(1, _HIGHEST),
        help="Where the viewer listens; by default the port after that of the Dagster UI.",
    )
    dagster = click.option(
        "--port",
        type=click.IntRange(1, _HIGHEST),
        default=3000,
        show_default=True,
        help="Where the Dagster UI listens.",
    )
    return dagster(viewer(command))
