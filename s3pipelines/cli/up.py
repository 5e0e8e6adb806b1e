"""`s3pipelines up`: the Dagster webserver and daemon on the user's own buckets."""

import click

from s3pipelines.cli.context import CliContext


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
@click.pass_obj
def up(context: CliContext, port: int) -> None:
    """Start the Dagster UI and the daemon, with sensors and schedules, on your own buckets.

    Runs until Ctrl-C; a second start takes up where the first one ended, however it ended.
    """
    from s3pipelines.services.dagster_session import dagster_session

    with dagster_session(context.catalog, port) as services:
        click.echo(f"Dagster UI:  http://127.0.0.1:{port}")
        click.echo(f"Catalog:     {context.catalog.location.uri}")
        click.echo("Stop it with Ctrl-C.")
        services.wait()
