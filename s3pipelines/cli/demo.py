"""`s3pipelines demo`: try everything on an embedded S3, without an account."""

import click


@click.command()
@click.option("--once", is_flag=True, help="Run it all headless, print what came out, and end.")
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
def demo(once: bool, port: int) -> None:
    """Start an embedded S3 with real photographs, and the project at work on them.

    New, overwritten and deleted objects are noticed and indexed by themselves; the Dagster UI shows
    how. Needs the extra 'demo'. Nothing of yours is read or changed.
    """
    if once:
        from s3pipelines.demo.headless import run_once

        run_once()
    else:
        from s3pipelines.demo.live import run_live

        run_live(port)
