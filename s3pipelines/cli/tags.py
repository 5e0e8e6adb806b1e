"""`s3pipelines tags …`: object tags, read from S3 and counted."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from s3pipelines.cli.ages import Age
from s3pipelines.cli.context import CliContext
from s3pipelines.cli.data_output import print_failed, take_in_pending
from s3pipelines.cli.data_selection import chosen_members, member_options
from s3pipelines.cli.output import json_option, print_fields, print_json, print_table
from s3pipelines.cli.progress import progress_bar
from s3pipelines.core.preview.wording import counted

SOME_FAILED = 1


@click.group()
def tags() -> None:
    """Object tags: read them from S3 into the table 'tags', and count them."""


@tags.command()
@click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
@member_options
@click.option(
    "--older-than", type=Age(), metavar="AGE", help="Also those read longer ago (30d, 12h)."
)
@click.option("--full", is_flag=True, help="Of all objects, whenever they were read.")
@json_option
@click.pass_obj
def refresh(
    context: CliContext,
    source_id: str,
    older_than: timedelta | None,
    full: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Read the tags of objects from S3: one request for each, about $0.40 a million on AWS.

    Those are read whose tags were never read in the state in which they are now. That somebody
    else changed tags is told by nothing, so give --full, or --older-than, now and then. Exit
    status 1 if some cannot be read; they are listed.
    """
    from s3pipelines.core.tags.refreshing import refresh_tags

    if full and older_than is not None:
        raise click.UsageError("--full and --older-than contradict each other.")
    take_in_pending(context, source_id)
    selection, unknown = chosen_members(context, source_id, options)
    with progress_bar(f"tags of {source_id}", 0) as advance:
        done = refresh_tags(
            context.catalog,
            source_id,
            selection,
            older_than=timedelta(0) if full else older_than,
            progress=lambda count, _: advance(count),
        )
    if as_json:
        print_json(asdict(done))
    else:
        counts = {name: f"{getattr(done, name):,}" for name in ("read", "tagged", "changed")}
        print_fields({**counts, "failed": f"{len(done.failed):,}"})
        print_failed([(one.key, one.error, one.detail) for one in done.failed])
    return SOME_FAILED if unknown or done.failed else 0


@tags.command("list")
@click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
@click.option("--key", "name", metavar="K", help="Only the tag of this name.")
@json_option
@click.pass_obj
def list_command(context: CliContext, source_id: str, name: str | None, as_json: bool) -> None:
    """List the tags that objects have, and how many objects have each.

    Which ones: 's3pipelines objects list --where "key IN (SELECT key FROM tags WHERE …)"'.
    """
    from s3pipelines.core.tags.listing import list_tags

    found = list_tags(context.catalog, source_id, name)
    if as_json:
        print_json({"source": source_id, **asdict(found)})
        return
    print_table(
        ("tag", "value", "objects"), [(one.name, one.value, one.objects) for one in found.tags]
    )
    if found.read < found.objects:
        click.echo(
            f"The tags of {counted(found.read, 'object')} of {found.objects:,} were read; "
            f"'s3pipelines tags refresh --source {source_id}' reads the others."
        )
