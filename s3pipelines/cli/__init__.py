"""The command line: `s3pipelines GROUP COMMAND`, one file per group.

Each command calls the core and, where it changed something, reports it to the Dagster instance, so
that the history in the UI is whole. `main` is the entry point.
"""

import sys

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.on_demand import OnDemand, OnDemandGroup
from s3pipelines.core.errors import S3PipelinesError

EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130
_COMMANDS = {
    name: OnDemand(f"s3pipelines.cli.{place}", summary)
    for name, place, summary in (
        ("batch", "batch:batch", "Change many objects at once: plan, review, apply, report, undo."),
        ("buckets", "buckets:buckets", "Make, list, show, configure and delete buckets."),
        ("data", "data:data", "Share datasets: register, describe, download, versions, fixity."),
        ("demo", "demo:demo", "Try the project on an embedded S3 with real photographs."),
        ("doctor", "doctor:doctor", "Check credentials, buckets, permissions and this machine."),
        ("images", "images_upkeep:images", "Headers, thumbnails, pyramids and conversions."),
        ("index", "index:index", "The object index: refresh it, compare it, look back in time."),
        ("objects", "objects:objects", "List the objects of a source, as the index has them."),
        ("presign", "presign:presign", "Make URLs for somebody who has no credentials."),
        ("sources", "sources:sources", "Register, list and change the sources."),
        ("sql", "sql:sql", "Ask the catalog's tables in SQL (DuckDB's)."),
        ("tags", "tags:tags", "Read object tags from S3 into the table 'tags'."),
        ("up", "up:up", "Start the Dagster UI, the daemon, and the viewer."),
        ("upload", "upload:upload", "Upload files and folders to a bucket."),
        ("uploads", "uploads:uploads", "List and end uploads that nobody completed."),
    )
}


@click.group(
    cls=OnDemandGroup,
    on_demand=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="s3pipelines")
@click.pass_context
def cli(context: click.Context) -> None:
    """Indexed, searchable collections of images and HDF5 files on S3.

    Settings come from the environment or a .env file: S3PIPELINES_CATALOG says where the project
    keeps its state; AWS credentials and endpoints come from the standard AWS chain.
    """
    context.ensure_object(CliContext)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 well, 1 some failed, 2 refused, 130 interrupted.

    Args:
        arguments: Those of the process by default, which is this program's own then.
    """
    if arguments is None:
        leave_out_pandas()
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


def leave_out_pandas() -> None:
    """Arrow imports it where it is installed, to see whether it was given some of it: 0.2 s."""
    sys.meta_path.insert(0, _WithoutPandas)


class _WithoutPandas:
    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("the command line works without pandas", name=name)
