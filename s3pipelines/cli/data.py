"""`s3pipelines data …`: sharing datasets: register, describe, download, freeze, compare."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import json_option, print_fields, print_json, print_table
from s3pipelines.cli.progress import byte_bar
from s3pipelines.core.preview.wording import human_bytes

if TYPE_CHECKING:
    from s3pipelines.core.datasets.registered import Registration

SOME_FAILED = 1
_MOST_SHOWN = 20


@click.group()
def data() -> None:
    """Share datasets: register files, describe and download objects, freeze numbered versions."""


@data.command()
@click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
@click.option("--tags", multiple=True, metavar="k=v,k=v", help="Object tags for all of them.")
@click.option("--below", default="", metavar="FOLDER", help="Put them below this folder.")
@click.option(
    "--existing",
    multiple=True,
    metavar="s3://B/KEY",
    help="Copy nothing: take in this object, which lies in the source. May be repeated.",
)
@click.option("--overwrite", is_flag=True, help="Replace objects that hold something else.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
@click.argument("files", nargs=-1, type=click.Path(), metavar="FILES…")
@click.pass_obj
def register(
    context: CliContext,
    source_id: str,
    tags: tuple[str, ...],
    files: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> int:
    """Upload files and folders into a source, and bring its index up to date.

    A folder keeps its name and structure; 'FOLDER/.' means what is in it. Every byte is proven by
    its SHA-256. If it is interrupted, repeat it: what is complete is not sent again, nor are the
    parts of what is not. Exit status 1 if some files failed; they are listed with their reasons.
    """
    from s3pipelines.core.datasets.object_tags import parse_tags
    from s3pipelines.core.datasets.registering import Progress, Wanted
    from s3pipelines.core.datasets.registering import register as register_files

    wanted = Wanted(source_id, files, tags=parse_tags(tags), **options)
    with byte_bar(f"register {source_id}") as bar:
        done = register_files(context.catalog, wanted, Progress(bar.begin, bar.advance))
    if not wanted.dry_run:
        _take_in_pending(context, source_id)
    _print_registration(done, as_json)
    return SOME_FAILED if done.failed else 0


def _take_in_pending(context: CliContext, source_id: str) -> None:
    """Bring the index up to date with what the ledger hints at."""
    from s3pipelines.cli.reporting import report_index
    from s3pipelines.core.detection.pending import read_pending
    from s3pipelines.core.index.apply import apply_changes
    from s3pipelines.core.sources.registry import get_source

    pending = read_pending(context.catalog, get_source(context.catalog, source_id))
    if pending is not None and pending.hints:
        report_index(context, apply_changes(context.catalog, source_id))


def _print_registration(done: "Registration", as_json: bool) -> None:
    if as_json:
        files = [asdict(one) for one in done.files]
        print_json({"source": done.source_id, "counts": done.counts, "files": files})
        return
    print_fields({name.replace("_", " "): f"{count:,}" for name, count in done.counts.items()})
    would = [one for one in done.files if one.outcome.startswith("would")]
    if would:
        shown = [(one.outcome, one.key, human_bytes(one.size_bytes), one.path) for one in would]
        print_table(("outcome", "key", "size", "file"), shown[:_MOST_SHOWN])
    if done.failed:
        shown = [(one.path or one.key, one.error, one.detail) for one in done.failed]
        print_table(("failed", "reason", "detail"), shown[:_MOST_SHOWN])
    most = max(len(would), len(done.failed))
    if most > _MOST_SHOWN:
        click.echo(f"{_MOST_SHOWN} of {most:,} are shown; --json shows all.")
