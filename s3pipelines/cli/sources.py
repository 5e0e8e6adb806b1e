"""`s3pipelines sources …`: the registry of sources."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import (
    json_option,
    print_fields,
    print_json,
    print_table,
)
from s3pipelines.cli.source_options import chosen, source_options
from s3pipelines.core.errors import printable
from s3pipelines.core.preview.wording import counted, human_bytes
from s3pipelines.core.sources.source import Source

if TYPE_CHECKING:
    from s3pipelines.core.annotations.annotate import Annotated

_MOST_VERSIONS = 5
id_option = click.option("--id", "source_id", required=True, metavar="ID", help="The source.")


@click.group()
def sources() -> None:
    """The registered sources: buckets and prefixes that are collections."""


@sources.command()
@id_option
@click.option("--s3-path", required=True, metavar="s3://B/P", help="Bucket and folder.")
@source_options
@json_option
@click.pass_obj
def create(
    context: CliContext, source_id: str, s3_path: str, as_json: bool, **options: Any
) -> None:
    """Register a bucket and prefix under an id."""
    from s3pipelines.cli.reporting import report_created
    from s3pipelines.core.sources.registry import create_source

    source = create_source(context.catalog, source_id, s3_path, **chosen(options))
    report_created(source.id)
    if as_json:
        print_json(source.model_dump())
        return
    click.echo(f"Registered {source.id!r}: {source.location.uri}")
    _say_estimate(context, source)
    click.echo(f"Next: s3pipelines index refresh --source {source.id}")


@sources.command()
@id_option
@json_option
@click.pass_obj
def get(context: CliContext, source_id: str, as_json: bool) -> None:
    """Show one source and its history."""
    from s3pipelines.core.sources.registry import get_source

    _show(get_source(context.catalog, source_id), as_json)


@sources.command()
@id_option
@click.option("-m", "--message", required=True, help="Why; kept in the history.")
@source_options
@json_option
@click.pass_obj
def update(
    context: CliContext, source_id: str, message: str, as_json: bool, **options: Any
) -> None:
    """Append a message to the history of a source, and change the options that are given."""
    from s3pipelines.core.sources.registry import update_source

    changes = chosen(options)
    source = update_source(context.catalog, source_id, message, **changes)
    if {"derive", "object_tags"} & changes.keys() and not as_json:
        _say_estimate(context, source)
    _show(source, as_json)


@sources.command("list")
@click.option("--offset", type=click.IntRange(0), default=0, help="Leave out the first N.")
@click.option("--num-items", type=click.IntRange(1), default=100, help="Show at most N.")
@json_option
@click.pass_obj
def list_command(context: CliContext, offset: int, num_items: int, as_json: bool) -> None:
    """List the registered sources by id, with their versions (of many, the latest five)."""
    from s3pipelines.core.sources.registry import read_registry

    registry = read_registry(context.catalog)
    for unreadable, error in registry.unreadable.items():
        click.echo(f"Warning: {unreadable!r} is left out. {error}", err=True)
    every = registry.sources
    shown = every[offset : offset + num_items]
    versions = {source.id: _versions(context, source) for source in shown}
    if as_json:
        print_json([{**source.model_dump(), "versions": versions[source.id]} for source in shown])
        return
    rows = [
        (
            s.id,
            s.location.uri,
            s.description,
            f"{s.created_at:%Y-%m-%d}",
            ", ".join(version["name"] for version in versions[s.id][-_MOST_VERSIONS:]),
        )
        for s in shown
    ]
    print_table(["id", "location", "description", "created", "versions"], rows)
    if len(shown) < len(every):
        click.echo(f"{offset + 1} to {offset + len(shown)} of {len(every)} sources.")


@sources.command()
@id_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(context: CliContext, source_id: str, yes: bool) -> None:
    """Forget a source, its rows, annotations and derivatives. Its objects stay as they are."""
    from s3pipelines.cli.reporting import report_deleted
    from s3pipelines.core.sources.registry import delete_source, get_source

    # A deletion that was interrupted is finished by deleting again.
    source = get_source(context.catalog, source_id, leaving=True)
    if not yes:
        click.confirm(
            f"Forget {source.id!r} ({source.location.uri}) with its index, annotations, "
            "thumbnails and pyramids? The objects on S3 stay as they are.",
            abort=True,
        )
    delete_source(context.catalog, source_id)
    report_deleted(source_id)
    click.echo(f"Forgot {source_id!r}. Its objects on S3 are untouched.")


@sources.command()
@click.option("--id", "--source", "source_id", required=True, metavar="ID", help="The source.")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="CSV with a header, in UTF-8, or Parquet.",
)
@click.option("--key-column", required=True, metavar="COLUMN", help="The column with the keys.")
@click.option(
    "--text",
    multiple=True,
    metavar="COLUMN",
    help="Keep this column as text, whatever it looks like; may be repeated.",
)
@click.option(
    "--unmatched",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the rows without an object there, as CSV.",
)
@json_option
@click.pass_obj
def annotate(
    context: CliContext,
    source_id: str,
    path: Path,
    key_column: str,
    text: tuple[str, ...],
    unmatched: Path | None,
    as_json: bool,
) -> None:
    """Join your own catalogue: titles, rights, the order of pages.

    The rows of the file replace those that the source has in the table 'annotations'. Keys are full
    ones, or relative to the prefix of the source. Rows without an object are kept: it may come
    later.
    """
    from s3pipelines.core.annotations.annotate import annotate as annotate_source

    done = annotate_source(
        context.catalog, source_id, path, key_column, text=text, unmatched=unmatched
    )
    if as_json:
        print_json(
            {
                "source": source_id,
                "rows": done.rows,
                "written": done.written,
                "columns": done.columns,
                **asdict(done.matched),
            }
        )
        return
    _say_annotated(done)


def _say_annotated(done: "Annotated") -> None:
    how = (
        "rows taken in" if done.written else "rows; the table has them already, nothing was written"
    )
    click.echo(f"{done.source_id}: {done.rows:,} {how}.")
    print_fields(done.columns)
    click.echo(
        f"Rows with an object: {done.matched.matched:,}, without one: "
        f"{done.matched.unmatched:,}; objects without a row: {done.matched.objects_without_row:,}."
    )
    if done.matched.examples:
        some = ", ".join(f"'{printable(key)}'" for key in done.matched.examples)
        more = " …" if done.matched.unmatched > len(done.matched.examples) else ""
        click.echo(f"Warning: no object for {some}{more}", err=True)


def _versions(context: CliContext, source: Source) -> list[dict[str, Any]]:
    """The versions of a source, the oldest first."""
    from s3pipelines.core.datasets.versions import list_versions

    told = ("number", "message", "created_at", "created_by", "objects", "size_bytes")
    return [
        {"name": version.name, **version.model_dump(include=set(told))}
        for version in list_versions(context.catalog, source)
    ]


def _show(source: Source, as_json: bool) -> None:
    if as_json:
        print_json(source.model_dump())
        return
    fields = source.model_dump(exclude={"history", "bucket", "prefix", "state"})
    shown = {name: value for name, value in fields.items() if value not in (None, "", (), {})}
    print_fields({"id": source.id, "location": source.location.uri, **shown})
    click.echo("history")
    for entry in source.history:
        click.echo(f"  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.by}  {entry.message}")


def _say_estimate(context: CliContext, source: Source) -> None:
    from s3pipelines.core.sources.sizing import size_of

    if not source.derive and not source.object_tags:
        return
    from s3pipelines.core.sources.estimates import estimate, estimate_tags

    size = size_of(context.catalog, source)
    at_least = "" if size.complete else "at least "
    if source.object_tags:
        cost = estimate_tags(size.objects)
        click.echo(
            f"Reading tags with each full listing: {at_least}{counted(cost.objects, 'object')}, "
            f"{cost.get_requests:,} GET requests, about ${cost.usd:,.2f} each time "
            "(S3 Standard, us-east-1)."
        )
    if not source.derive:
        return
    cost = estimate(size.objects, size.size_bytes, source.derive)
    click.echo(
        f"Deriving {', '.join(source.derive)}: {at_least}{counted(cost.objects, 'object')}, "
        f"{human_bytes(cost.read_bytes)} read, {cost.get_requests:,} GET and "
        f"{cost.put_requests:,} PUT requests, about ${cost.usd:,.2f} "
        "(S3 Standard, us-east-1, without transfer out of the region)."
    )
