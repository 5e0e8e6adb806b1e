"""`s3pipelines upload`: files to a bucket, through this machine's credentials or by a ticket."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.data_output import (
    print_failed,
    print_files,
    print_registration,
    take_in_pending,
)
from s3pipelines.cli.output import json_option, print_fields, print_json
from s3pipelines.cli.progress import byte_bar
from s3pipelines.core.preview.wording import human_bytes

if TYPE_CHECKING:
    from s3pipelines.core.datasets.direct.sent import DirectUpload

SOME_FAILED = 1
_S3 = "s3://"


@click.command()
@click.argument("files", nargs=-1, metavar="FILES… [s3://BUCKET/FOLDER/]")
@click.option("--source", "source_id", metavar="ID", help="Upload into this source.")
@click.option(
    "--direct",
    "ticket",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="TICKET",
    help="Upload by presigned URLs alone: what 'presign multipart', or 'presign put --json', "
    "printed on a machine with credentials.",
)
@click.option("--tags", multiple=True, metavar="k=v,k=v", help="Object tags for all of them.")
@click.option("--overwrite", is_flag=True, help="Replace objects that hold something else.")
@click.option(
    "--break-versions", is_flag=True, help="Also replace objects that are members of versions."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
@click.pass_obj
def upload(
    context: CliContext,
    files: tuple[str, ...],
    source_id: str | None,
    ticket: Path | None,
    tags: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> int:
    """Upload files and folders to a folder of a bucket, into a source, or by a ticket.

    A folder keeps its name and structure; 'FOLDER/.' means what is in it. Every byte is proven by
    its checksum. If it is interrupted, repeat it: what is complete is not sent again, nor are the
    parts of what is not. Sources that the objects belong to have them in their index at once.

    With --direct no credentials and no catalog are needed. A ticket is for one file, or, if it
    lists several requests of 'presign put', for files of the names that their keys end with; what
    was sent is kept beside it, in TICKET.done.

    Exit status 1 if some files failed; they are listed with their reasons.
    """
    from s3pipelines.core.datasets.object_tags import parse_tags

    place = files[-1] if files and files[-1].startswith(_S3) else None
    paths = files if place is None else files[:-1]
    if sum(one is not None for one in (place, source_id, ticket)) != 1:
        raise click.UsageError("Name one place: s3://BUCKET/FOLDER/, --source or --direct.")
    if ticket is not None:
        if tags or any(options.values()):
            raise click.UsageError("--direct does what its ticket allows: leave the others out.")
        return _upload_direct(ticket, paths, as_json)
    if place is None:
        return _register(context, source_id or "", paths, as_json, parse_tags(tags), options)
    return _upload(context, place, paths, as_json, parse_tags(tags), options)


def _register(
    context: CliContext,
    source_id: str,
    paths: tuple[str, ...],
    as_json: bool,
    tags: dict[str, str],
    options: dict[str, Any],
) -> int:
    from s3pipelines.core.datasets.registering import Wanted, register

    wanted = Wanted(source_id, paths, tags=tags, **options)
    with byte_bar(f"upload to {source_id}") as bar:
        done = register(context.catalog, wanted, bar)
    if not wanted.dry_run:
        take_in_pending(context, source_id)
    print_registration(done, as_json)
    return SOME_FAILED if done.failed else 0


def _upload(
    context: CliContext,
    place: str,
    paths: tuple[str, ...],
    as_json: bool,
    tags: dict[str, str],
    options: dict[str, Any],
) -> int:
    from s3pipelines.core.datasets.uploading import Upload
    from s3pipelines.core.datasets.uploading import upload as upload_files

    wanted = Upload(place, paths, tags, **options)
    with byte_bar(f"upload to {place}") as bar:
        done = upload_files(context.catalog, wanted, bar)
    if not wanted.dry_run:
        for source_id in done.sources:
            take_in_pending(context, source_id)
    if as_json:
        rows = [asdict(one) for one in done.files]
        print_json({"to": done.to, "sources": done.sources, "counts": done.counts, "files": rows})
    else:
        print_files(done.counts, done.files)
    return SOME_FAILED if done.failed else 0


def _upload_direct(ticket: Path, paths: tuple[str, ...], as_json: bool) -> int:
    from s3pipelines.core.datasets.direct.uploading import upload_direct

    with byte_bar(f"upload by {ticket.name}") as bar:
        rows = upload_direct(ticket, paths, bar)
    if as_json:
        print_json([asdict(one) for one in rows])
    else:
        _print_direct(rows)
    return SOME_FAILED if any(one.outcome == "failed" for one in rows) else 0


def _print_direct(rows: "list[DirectUpload]") -> None:
    for outcome in ("uploaded", "unchanged", "failed"):
        if some := [one for one in rows if one.outcome == outcome]:
            sent = sum(one.sent_bytes for one in some)
            shown = f" ({human_bytes(sent)} sent)" if outcome == "uploaded" else ""
            print_fields({outcome: f"{len(some):,}{shown}"})
    print_failed([(one.path, one.error, one.detail) for one in rows if one.outcome == "failed"])
