"""`s3pipelines presign …`: URLs that let somebody without credentials read or write one object."""

from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import json_option, print_json
from s3pipelines.cli.presign_output import in_parts_json, print_signed, signed_json
from s3pipelines.core.errors import StorageError, printable

if TYPE_CHECKING:
    from s3pipelines.core.buckets.keys import Target

SOME_FAILED = 1
_HOUR = "1h"

_keys = click.argument("keys", nargs=-1, required=True, metavar="KEY...")
_key = click.argument("key", metavar="KEY")
_source = click.option(
    "--source", "source_id", metavar="ID", help="KEY is one below the prefix of this source."
)
_expires = click.option(
    "--expires",
    default=_HOUR,
    show_default=True,
    metavar="TIME",
    help="How long the URL holds: 15m, 12h, 7d; seven days at the most.",
)
_content_type = click.option(
    "--content-type", metavar="TYPE", help="What must be sent as Content-Type."
)
_upload_id = click.option("--upload-id", required=True, metavar="ID", help="The upload.")


@click.group()
def presign() -> None:
    """URLs that let somebody without credentials read or write one object, for a while.

    KEY is s3://BUCKET/KEY, or with --source a key below the source's prefix. A URL has the
    permissions of who signs it, ends with their credentials, and cannot be taken back before. Of a
    read-only source there is only 'get'.
    """


@presign.command()
@_keys
@_source
@_expires
@click.option("--download-as", metavar="NAME", help="What a browser calls the file.")
@click.option("--unchecked", is_flag=True, help="Do not ask whether the object is there.")
@json_option
@click.pass_obj
def get(
    context: CliContext,
    keys: tuple[str, ...],
    source_id: str | None,
    expires: str,
    as_json: bool,
    **options: Any,
) -> int:
    """URLs that read objects, one a line."""
    from s3pipelines.core.buckets.presigning import presign_get
    from s3pipelines.core.storage.presigned import require_there

    expires_s = _expiry_s(expires)
    targets = _targets(context, keys, source_id)
    shown: list[dict[str, Any]] = []
    failed = 0
    for target in targets:
        try:
            if not options["unchecked"]:
                require_there(target.access, target.bucket, target.key)
            signed = presign_get(target, expires_s, download_as=options["download_as"])
        except StorageError as error:
            click.echo(f"Error: {error}", err=True)
            failed += 1
            continue
        shown.append(signed_json(target, signed))
        if not as_json:
            print_signed(target, signed)
    if as_json:
        print_json(shown)
    return SOME_FAILED if failed else 0


@presign.command()
@_keys
@_source
@_expires
@_content_type
@click.option(
    "--sha256", metavar="HEX_OR_BASE64", help="The SHA-256 of the bytes, which S3 compares."
)
@click.option("--bytes", "exact_bytes", type=int, metavar="N", help="The size it must have.")
@click.option(
    "--max-bytes", "most_bytes", type=int, metavar="N", help="Make a form that takes no more."
)
@click.option(
    "--min-bytes",
    "least_bytes",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="… and no fewer.",
)
@json_option
@click.pass_obj
def put(
    context: CliContext,
    keys: tuple[str, ...],
    source_id: str | None,
    expires: str,
    as_json: bool,
    **options: Any,
) -> None:
    """URLs that write objects; with --max-bytes, forms (POST) whose size S3 bounds.

    A PUT can be bound to one Content-Type, one SHA-256 and one size, and to no range of sizes:
    without --bytes or --max-bytes, up to 5 GiB may be sent. S3 overwrites what is there.
    """
    from s3pipelines.core.buckets.presigning import (
        UNBOUND_PUT,
        Upload,
        presign_put,
        sha256_base64,
    )

    sha256 = sha256_base64(options.pop("sha256")) if options["sha256"] else None
    upload = Upload(**{**options, "sha256": sha256})
    expires_s = _expiry_s(expires)
    targets = _targets(context, keys, source_id, writes=True)
    signed = [presign_put(target, expires_s, upload) for target in targets]
    if upload.exact_bytes is None and not upload.is_form:
        click.echo(f"Note: {UNBOUND_PUT}", err=True)
    if as_json:
        print_json([signed_json(*one) for one in zip(targets, signed, strict=True)])
        return
    for target, one in zip(targets, signed, strict=True):
        print_signed(target, one)


@presign.command()
@_key
@_source
@_expires
@_content_type
@click.option("--bytes", "size_bytes", type=click.IntRange(1), metavar="N", help="Its size.")
@click.option("--parts", type=int, metavar="N", help="… or how many parts there will be.")
@click.option(
    "--part-bytes",
    type=int,
    metavar="N",
    help="The size of each part but the last; 64 MiB by default.",
)
@click.option(
    "--upload-id", metavar="ID", help="Sign anew for this upload, which was begun before."
)
@click.option("--json", "as_json", is_flag=True, help="It is JSON anyway.")
@click.pass_obj
def multipart(
    context: CliContext,
    key: str,
    source_id: str | None,
    expires: str,
    as_json: bool,  # noqa: ARG001 - every command has it
    **options: Any,
) -> None:
    """Begin an upload in parts; prints JSON with its id and a URL for each part.

    It is a ticket for 's3pipelines upload FILE --direct TICKET'. Or send each part with PUT and
    keep the ETag of each answer. Then 'presign complete', or the URL under "complete", makes the
    object; 'presign abort' calls the upload off. One that is never ended takes space: see 'uploads
    abort'.
    """
    from s3pipelines.core.buckets.presigning import begin_in_parts

    expires_s = _expiry_s(expires)
    [target] = _targets(context, (key,), source_id, writes=True)
    print_json(in_parts_json(target, begin_in_parts(target, expires_s, **options)))


@presign.command()
@_key
@_source
@_upload_id
@click.option(
    "--bytes", "size_bytes", type=int, metavar="N", help="Refuse if the parts are not that many."
)
@json_option
@click.pass_obj
def complete(
    context: CliContext,
    key: str,
    source_id: str | None,
    upload_id: str,
    size_bytes: int | None,
    as_json: bool,
) -> None:
    """Make the object of the parts that have arrived; refuses if one between them is missing."""
    from s3pipelines.core.buckets.arrivals import tell_arrival
    from s3pipelines.core.buckets.presigning import complete_in_parts

    [target] = _targets(context, (key,), source_id, writes=True)
    etag = complete_in_parts(target, upload_id, size_bytes)
    sources = tell_arrival(context.catalog, target, upload_id)
    if as_json:
        print_json({"bucket": target.bucket, "key": target.key, "etag": etag, "sources": sources})
    else:
        click.echo(f"Complete: {printable(target.uri)}, ETag {etag}")


@presign.command()
@_key
@_source
@_upload_id
@json_option
@click.pass_obj
def abort(
    context: CliContext, key: str, source_id: str | None, upload_id: str, as_json: bool
) -> None:
    """Call an upload in parts off, and free what it takes; one that has ended is no error."""
    from s3pipelines.core.buckets.presigning import abort_in_parts

    [target] = _targets(context, (key,), source_id, writes=True)
    was_there = abort_in_parts(target, upload_id)
    if as_json:
        print_json({"bucket": target.bucket, "key": target.key, "was_there": was_there})
    else:
        click.echo("Called off." if was_there else "It had ended already.")


def _expiry_s(text: str) -> int:
    from s3pipelines.core.buckets.presigning import check_expiry_s
    from s3pipelines.core.durations import parse_duration_s

    return check_expiry_s(parse_duration_s(text))


def _targets(
    context: CliContext, names: tuple[str, ...], source_id: str | None, *, writes: bool = False
) -> list["Target"]:
    from s3pipelines.core.buckets.keys import find_target, require_writable

    targets = [find_target(context.catalog, name, source_id) for name in names]
    for target in targets if writes else ():
        require_writable(context.catalog, target)
    return targets
