"""`s3pipelines up`: the Dagster UI, the daemon and the viewer on the user's own buckets."""

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.ports import port_options


@click.command()
@port_options
@click.pass_obj
def up(context: CliContext, port: int, viewer_port: int | None) -> None:
    """Start the Dagster UI, the daemon with sensors and schedules, and the viewer, on your buckets.

    Runs until Ctrl-C; a second start takes up where the first one ended, however it ended.
    """
    from s3pipelines.services.session import Ports, project_session

    ports = Ports(port, viewer_port or port + 1)
    settings = context.settings
    named = settings.viewer_url if "viewer_url" in settings.model_fields_set else None
    with project_session(context.catalog, ports, viewer_url=named) as services:
        click.echo(f"Dagster UI:  {ports.dagster_url}")
        click.echo(f"Viewer:      {named or ports.viewer_url}")
        click.echo(f"Catalog:     {context.catalog.location.uri}")
        click.echo("Stop it with Ctrl-C.")
        services.wait()
