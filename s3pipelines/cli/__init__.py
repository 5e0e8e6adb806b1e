"""The command line: `s3pipelines GROUP COMMAND`, one file per group.

Each command calls the core and, where it changed something, reports it to the Dagster instance, so
that the history in the UI is whole. `main` is the entry point.
"""

import sys

import click

from s3pipelines.cli.batch import batch
from s3pipelines.cli.buckets import buckets
from s3pipelines.cli.context import CliContext
from s3pipelines.cli.data import data
from s3pipelines.cli.demo import demo
from s3pipelines.cli.doctor import doctor
from s3pipelines.cli.images_upkeep import images
from s3pipelines.cli.index import index
from s3pipelines.cli.objects import objects
from s3pipelines.cli.presign import presign
from s3pipelines.cli.sources import sources
from s3pipelines.cli.sql import sql
from s3pipelines.cli.tags import tags
from s3pipelines.cli.up import up
from s3pipelines.cli.upload import upload
from s3pipelines.cli.uploads import uploads
from s3pipelines.core.errors import S3PipelinesError

EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="s3pipelines")
@click.pass_context
def cli(context: click.Context) -> None:
    """Indexed, searchable collections of images and HDF5 files on S3.

    Settings come from the environment or a .env file: S3PIPELINES_CATALOG says where the project
    keeps its state; AWS credentials and endpoints come from the standard AWS chain.
    """
    context.ensure_object(CliContext)


for command in (
    demo,
    up,
    sources,
    buckets,
    index,
    objects,
    images,
    batch,
    data,
    tags,
    upload,
    presign,
    uploads,
    sql,
    doctor,
):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 well, 1 some failed, 2 refused, 130 interrupted."""
    try:
        result = cli.main(arguments, prog_name="s3pipelines", standalone_mode=False)
        sys.exit(result if isinstance(result, int) else 0)
    except S3PipelinesError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_REFUSED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(EXIT_INTERRUPTED)
