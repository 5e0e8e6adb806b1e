"""`s3pipelines uploads …`: uploads in parts that were begun and never ended."""

from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.bucket_notify import chosen_place
from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import json_option, print_json, print_table
from s3pipelines.cli.progress import progress_bar
from s3pipelines.core.errors import printable

if TYPE_CHECKING:
    from s3pipelines.core.buckets.abandoned import OpenUpload, Reaped
    from s3pipelines.core.storage.access import Access

SOME_FAILED = 1

_bucket = click.argument("bucket", required=False, metavar="[BUCKET]")
_source = click.option("--source", "source_id", metavar="ID", help="Bucket and folder of this one.")
_prefix = click.option("--prefix", default="", metavar="P", help="Only of keys that begin so.")


@click.group()
def uploads() -> None:
    """Uploads in parts that were begun and never ended: their parts take space, and cost.

    An upload is as old as its latest part: one that something still sends to is never abandoned.
    'buckets configure --file' can set a rule by which S3 does the same every day
    (abort_incomplete_uploads_days).
    """


@uploads.command(name="list")
@_bucket
@_source
@_prefix
@click.option("--older-than", metavar="TIME", help="Nothing has arrived for so long: 12h, 7d.")
@json_option
@click.pass_obj
def list_(
    context: CliContext,
    bucket: str | None,
    source_id: str | None,
    prefix: str,
    older_than: str | None,
    as_json: bool,
) -> None:
    """The unfinished uploads of a bucket, with what their parts take."""
    from s3pipelines.core.buckets.abandoned import open_uploads
    from s3pipelines.core.durations import parse_duration_s

    access, name, below = _place(context, bucket, source_id, prefix)
    idle_for_s = parse_duration_s(older_than) if older_than else 0
    _print_found(list(open_uploads(access, name, below, idle_for_s=idle_for_s)), as_json)


@uploads.command()
@_bucket
@_source
@_prefix
@click.option(
    "--older-than",
    required=True,
    metavar="TIME",
    help="Only those for which nothing has arrived for so long: 7d; at least 1h.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def abort(
    context: CliContext,
    bucket: str | None,
    source_id: str | None,
    prefix: str,
    as_json: bool,
    **options: Any,
) -> int:
    """Call off uploads that nobody goes on with; those in read-only sources are left alone."""
    from s3pipelines.core.buckets.abandoned import (
        abort_uploads,
        check_age_s,
        open_uploads,
        without_read_only,
    )
    from s3pipelines.core.durations import parse_duration_s

    if as_json and not options["yes"]:
        raise click.UsageError("--json leaves no room for a question: give --yes, too.")
    idle_for_s = check_age_s(parse_duration_s(options["older_than"]))
    access, name, below = _place(context, bucket, source_id, prefix)
    every = open_uploads(access, name, below, idle_for_s=idle_for_s)
    found, kept = without_read_only(context.catalog, access, name, every)
    if kept:
        click.echo(f"{len(kept):,} uploads in read-only sources are left alone.", err=True)
    if found and not options["yes"]:
        _print_found(found, as_json)
        click.confirm(f"Call {len(found):,} uploads off?", abort=True, err=True)
    with progress_bar(f"abort uploads of {name}", len(found)) as advance:
        reaped = abort_uploads(access, name, found, idle_for_s=idle_for_s, progress=advance)
    _print_reaped(reaped, as_json)
    return SOME_FAILED if reaped.failed else 0


def _place(
    context: CliContext, bucket: str | None, source_id: str | None, prefix: str
) -> tuple["Access", str, str]:
    """How to reach the bucket, its name, and what keys begin with."""
    access, place = chosen_place(context, bucket, source_id)
    return access, place.bucket, f"{place.prefix}{prefix}"


def _print_found(found: "list[OpenUpload]", as_json: bool) -> None:
    from s3pipelines.core.durations import duration_text
    from s3pipelines.core.preview.wording import human_bytes

    if as_json:
        print_json(
            [
                {
                    "key": one.upload.key,
                    "upload_id": one.upload.upload_id,
                    "begun_at": one.upload.begun_at,
                    "begun_by": one.upload.begun_by,
                    "parts": one.parts,
                    "size_bytes": one.size_bytes,
                    "idle_s": round(one.idle_s),
                }
                for one in found
            ]
        )
        return
    rows = [
        (
            one.upload.key,
            f"{one.upload.begun_at:%Y-%m-%d %H:%M}",
            duration_text(one.idle_s),
            one.parts,
            human_bytes(one.size_bytes),
            one.upload.upload_id,
        )
        for one in found
    ]
    print_table(("key", "begun (UTC)", "idle", "parts", "size", "upload id"), rows)


def _print_reaped(reaped: "Reaped", as_json: bool) -> None:
    from s3pipelines.core.preview.wording import human_bytes

    if as_json:
        print_json(vars(reaped))
        return
    for failure in reaped.failures:
        click.echo(printable(failure), err=True)
    click.echo(
        f"{reaped.aborted:,} uploads called off ({human_bytes(reaped.freed_bytes)}), "
        f"{reaped.resumed:,} went on or ended meanwhile, {reaped.failed:,} failed."
    )
