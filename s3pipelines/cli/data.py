"""`s3pipelines data …`: sharing datasets: register, describe, download, export; freeze, audit."""

from pathlib import Path
from typing import Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.data_audit import audit
from s3pipelines.cli.data_export import export
from s3pipelines.cli.data_output import (
    DESCRIBED,
    Tally,
    description_row,
    print_download,
    print_registration,
    take_in_pending,
)
from s3pipelines.cli.data_selection import chosen_members, member_options
from s3pipelines.cli.data_versions import diff, drift, snapshot
from s3pipelines.cli.output import json_option, print_json_with_rows, print_table
from s3pipelines.cli.progress import byte_bar

SOME_FAILED = 1


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
@click.option(
    "--break-versions", is_flag=True, help="Also replace objects that are members of versions."
)
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
    from s3pipelines.core.datasets.registering import Wanted
    from s3pipelines.core.datasets.registering import register as register_files

    wanted = Wanted(source_id, files, tags=parse_tags(tags), **options)
    with byte_bar(f"register {source_id}") as bar:
        done = register_files(context.catalog, wanted, bar)
    if not wanted.dry_run:
        take_in_pending(context, source_id)
    print_registration(done, as_json)
    return SOME_FAILED if done.failed else 0


@data.command()
@click.option(
    "--source", "name", required=True, metavar="ID[@VERSION]", help="The source, or a version."
)
@member_options
@click.option(
    "--index-only",
    is_flag=True,
    help="Do not ask S3 for tags and checksums, which is two requests for each object.",
)
@json_option
@click.pass_obj
def describe(
    context: CliContext, name: str, index_only: bool, as_json: bool, **options: Any
) -> int:
    """Describe objects: size, tags, checksums, and what they say of themselves as images.

    Exit status 1 if some of the keys are not there, or S3 has something else of them by now.
    """
    from s3pipelines.core.datasets.describing import describe as describe_objects

    selection, unknown = chosen_members(context, name, options)
    found = describe_objects(context.catalog, name, selection, ask=not index_only)
    tally = Tally()
    if as_json:
        print_json_with_rows({"source": name}, "objects", tally.of(found))
    else:
        print_table(DESCRIBED, map(description_row, tally.of(found)))
        click.echo(f"{tally.objects:,} {'object' if tally.objects == 1 else 'objects'}.")
    return SOME_FAILED if unknown or tally.failed else 0


@data.command()
@click.option(
    "--source", "name", required=True, metavar="ID[@VERSION]", help="The source, or a version."
)
@click.option(
    "--dir",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the files go.",
)
@member_options
@click.option("--overwrite", is_flag=True, help="Replace files that no download has left there.")
@json_option
@click.pass_obj
def download(
    context: CliContext, name: str, folder: Path, overwrite: bool, as_json: bool, **options: Any
) -> int:
    """Download objects as a tree of files, every byte of them verified.

    If it is interrupted, repeat it: files that are whole are not fetched again, and of large ones
    only what is missing. Exit status 1 if some objects failed; they are listed with their reasons.
    """
    from s3pipelines.core.datasets.downloading import Wanted
    from s3pipelines.core.datasets.downloading import download as download_objects

    selection, unknown = chosen_members(context, name, options)
    wanted = Wanted(name, folder, selection, overwrite)
    with byte_bar(f"download {name}") as bar:
        done = download_objects(context.catalog, wanted, bar)
    print_download(done, as_json)
    return SOME_FAILED if unknown or done.failed else 0


for _command in (snapshot, diff, drift, audit, export):
    data.add_command(_command)
