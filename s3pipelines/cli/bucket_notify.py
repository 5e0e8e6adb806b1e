"""`s3pipelines buckets configure --notify`: a bucket that tells a queue of its uploads."""

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import print_fields, print_json
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.locations import S3Location, parse_s3_location


def notify(
    context: CliContext,
    bucket: str | None,
    source_id: str | None,
    prefixes: tuple[str, ...],
    queue: str,
    as_json: bool,
) -> None:
    """Have the bucket notify the queue, and print what is to be set for that."""
    from s3pipelines.core.storage.bucket_events import notify_queue

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


def chosen_place(
    context: CliContext, bucket: str | None, source_id: str | None
) -> tuple[Access, S3Location]:
    """How to reach a bucket, or the bucket and folder of a source.

    Raises:
        UsageError: Neither a bucket nor a source is named, or both are.
        InvalidInput: It is no bucket's name.
    """
    from s3pipelines.core.buckets.places import find_bucket

    if (bucket is None) == (source_id is None):
        raise click.UsageError("Name either a BUCKET or a --source.")
    return find_bucket(context.catalog, bucket, source_id)


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
