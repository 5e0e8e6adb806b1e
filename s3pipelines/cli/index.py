"""`s3pipelines index …`: bring the object index up to date, and take it elsewhere."""

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import json_option, print_fields, print_json
from s3pipelines.core.preview.wording import human_bytes


@click.group()
def index() -> None:
    """The object index: what a source holds."""


@index.command()
@click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
@json_option
@click.pass_obj
def refresh(context: CliContext, source_id: str, as_json: bool) -> None:
    """List a source and bring its rows of the table `objects` up to date."""
    from s3pipelines.cli.reporting import report_refresh
    from s3pipelines.core.index.refresh import refresh_index

    done = refresh_index(context.catalog, source_id, say=lambda line: click.echo(line, err=True))
    report_refresh(context, done)
    fields = {
        "source": done.source.id,
        "objects": done.rows,
        "size_bytes": done.size_bytes,
        "created": done.created,
        "overwritten": done.overwritten,
        "transitioned": done.transitioned,
        "deleted": done.deleted,
        "waiting_to_settle": done.waiting,
        "written_as": done.wrote,
        "table_version": done.table_version,
        "listing_requests": done.requests,
        "duration_s": round(done.duration_s, 3),
    }
    if as_json:
        print_json(fields)
    else:
        print_fields({**fields, "size_bytes": human_bytes(done.size_bytes)})


@index.command()
@click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
@click.option(
    "--to", "target", required=True, metavar="PATH", help="A file, or s3://BUCKET/KEY.parquet."
)
@json_option
@click.pass_obj
def export(context: CliContext, source_id: str, target: str, as_json: bool) -> None:
    """Write the rows of a source as one plain Parquet file, sorted by key."""
    from s3pipelines.core.catalog.export import export_objects
    from s3pipelines.core.sources.registry import get_source

    source = get_source(context.catalog, source_id)
    rows = export_objects(context.catalog, source.id, target)
    if as_json:
        print_json({"source": source.id, "rows": rows, "path": target})
    else:
        click.echo(f"Wrote {rows:,} rows to {target}")
