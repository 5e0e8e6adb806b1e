"""`s3pipelines demo`: try everything on an embedded S3, without an account."""

import click

from s3pipelines.cli.ports import port_options


@click.command()
@click.option("--once", is_flag=True, help="Run it all headless, print what came out, and end.")
@port_options
def demo(once: bool, port: int, viewer_port: int | None) -> None:
    """Start an embedded S3 with real photographs, and the project at work on them.

    New, overwritten and deleted objects are noticed and indexed by themselves; the Dagster UI shows
    how. Needs the extra 'demo'. Nothing of yours is read or changed.
    """
    if once:
        from s3pipelines.demo.headless import run_once

        run_once()
    else:
        from s3pipelines.demo.live import run_live
        from s3pipelines.services.session import Ports

        run_live(Ports(port, viewer_port or port + 1))
