"""`s3pipelines buckets …`: the buckets themselves, as far as the project needs something there."""

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import json_option, print_fields, print_json
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.locations import S3Location, parse_s3_location

_DEFAULT_QUEUE = "s3pipelines-uploads"


@click.group()
def buckets() -> None:
    """Buckets: what they need to have set so that uploads are noticed at once."""


@buckets.command()
@click.argument("bucket", required=False)
@click.option("--notify", is_flag=True, help="Have the bucket notify an SQS queue of its events.")
@click.option(
    "--queue",
    metavar="NAME_OR_URL",
    default=_DEFAULT_QUEUE,
    show_default=True,
    help="The queue; a name is made in the bucket's region if it is not there.",
)
@click.option(
    "--prefix",
    "prefixes",
    metavar="P",
    multiple=True,
    help="Only of keys in this folder; may be repeated. What was configured before stays.",
)
@click.option("--source", "source_id", metavar="ID", help="Bucket and folder of this source.")
@json_option
@click.pass_obj
def configure(
    context: CliContext,
    bucket: str | None,
    notify: bool,
    queue: str,
    prefixes: tuple[str, ...],
    source_id: str | None,
    as_json: bool,
) -> None:
    """Have BUCKET, or that of a source, notify an SQS queue; running it again changes nothing.

    Other rules of the bucket and other statements of the queue's policy stay as they are.
    """
    from s3pipelines.core.storage.bucket_events import notify_queue

    if not notify:
        raise click.UsageError(
            "Say what to configure: --notify has the bucket notify an SQS queue of its events."
        )
    access, locations = _chosen(context, bucket, prefixes, source_id)
    done = notify_queue(
        access, locations[0].bucket, [location.prefix for location in locations], queue
    )
    setting = f"S3PIPELINES_UPLOAD_QUEUE_URL={done.queue_url}"
    if as_json:
        print_json({**vars(done), "setting": setting})
        return
    shown = ", ".join(f"s3://{done.bucket}/{prefix}" for prefix in done.prefixes)
    changes = "; ".join(done.changes) or "none, all was set already"
    print_fields({"notified of": shown, "queue": done.queue_url, "changes": changes})
    click.echo(f"Next, set this for all of s3pipelines:\n{setting}")


def _chosen(
    context: CliContext, bucket: str | None, prefixes: tuple[str, ...], source_id: str | None
) -> tuple[Access, list[S3Location]]:
    """How to reach the bucket, and the folders in it."""
    from s3pipelines.core.sources.registry import get_source

    if (bucket is None) == (source_id is None):
        raise click.UsageError("Name either a BUCKET or a --source.")
    if bucket is None:
        if prefixes:
            raise click.UsageError("--prefix goes with a BUCKET; a --source has its own.")
        source = get_source(context.catalog, source_id or "")
        return source.access(context.catalog.access), [source.location]
    location = parse_s3_location(bucket if "://" in bucket else f"s3://{bucket}")
    if location.prefix:
        raise InvalidInput(
            f"{bucket!r} is not the name of a bucket.", hint="Write BUCKET --prefix P."
        )
    folders = [parse_s3_location(f"{location.uri}{prefix}") for prefix in prefixes]
    return context.catalog.access, folders or [location]
