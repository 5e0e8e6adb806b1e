"""`s3pipelines data export`: objects as a bag, a folder that proves itself."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.data_output import print_failed
from s3pipelines.cli.data_selection import chosen_members, member_options
from s3pipelines.cli.output import json_option, print_fields, print_json
from s3pipelines.cli.progress import byte_bar
from s3pipelines.core.preview.wording import human_bytes

if TYPE_CHECKING:
    from s3pipelines.core.fixity.bagging import Bag

SOME_FAILED = 1


@click.command()
@click.option(
    "--source", "name", required=True, metavar="ID[@VERSION]", help="The source, or a version."
)
@click.option(
    "--bagit",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The bag; a folder that does not exist yet, or is empty.",
)
@member_options
@json_option
@click.pass_obj
def export(context: CliContext, name: str, folder: Path, as_json: bool, **options: Any) -> int:
    """Download objects into a bag (BagIt 1.0), every byte of them verified.

    The payload is in 'data/', with its SHA-256 in 'manifest-sha256.txt', and the key of each file
    in 'objects.csv'. If it is interrupted, repeat it: until every object is there, the folder is
    no bag. Exit status 1 if some objects failed; they are listed with their reasons.
    """
    from s3pipelines.core.datasets.downloading import Progress
    from s3pipelines.core.fixity.bagging import Wanted, export_bag

    selection, unknown = chosen_members(context, name, options)
    with byte_bar(f"export {name}") as bar:
        bag = export_bag(
            context.catalog, Wanted(name, folder, selection), Progress(bar.begin, bar.advance)
        )
    _print(bag, folder, as_json)
    return SOME_FAILED if unknown or not bag.is_complete else 0


def _print(bag: "Bag", folder: Path, as_json: bool) -> None:
    done = bag.downloaded
    if as_json:
        payload = None if bag.payload is None else asdict(bag.payload)
        told = {**asdict(done), "source": done.name, "folder": str(folder)}
        print_json({**told, "complete": bag.is_complete, "payload": payload})
        return
    print_fields(
        {
            "downloaded": f"{done.downloaded:,} ({human_bytes(done.fetched_bytes)})",
            "unchanged": f"{done.unchanged:,}",
            "failed": f"{len(done.failed):,}",
            **({"only the size proven": f"{done.unproven:,}"} if done.unproven else {}),
        }
    )
    print_failed([(one.key, one.error, one.detail) for one in done.failed])
    if bag.payload is None:
        click.echo(f"{folder} is no bag yet: repeat it, or leave out what cannot be had.")
    else:
        size = human_bytes(bag.payload.size_bytes)
        click.echo(f"{folder} is a bag of {bag.payload.files:,} files, {size}.")
