"""`s3pipelines buckets configure --file`: a bucket that is brought to what a file says."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from s3pipelines.cli.bucket_notify import chosen_place
from s3pipelines.cli.bucket_output import comparison_json, print_applied, print_comparison
from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import print_json
from s3pipelines.core.errors import printable

if TYPE_CHECKING:
    from s3pipelines.core.buckets.bucket_file import Wanted
    from s3pipelines.core.buckets.configuring import Comparison
    from s3pipelines.core.storage.access import Access
    from s3pipelines.core.storage.bucket_settings import BucketSettings

SOME_FAILED = 1
DRIFTED = 1


def configure_by_file(
    context: CliContext,
    path: Path,
    bucket: str | None,
    source_id: str | None,
    *,
    check: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Show what differs, ask, write it; returns the exit status."""
    from s3pipelines.core.buckets.bucket_file import read_bucket_file
    from s3pipelines.core.buckets.configuring import compare
    from s3pipelines.core.buckets.hazards import lifecycle_hazards
    from s3pipelines.core.storage.bucket_settings import BucketSettings

    if as_json and not (yes or check):
        raise click.UsageError("--json leaves no room for a question: give --yes or --check, too.")
    wanted = read_bucket_file(path)
    access, name = _named(context, wanted, bucket, source_id)
    settings = BucketSettings(access, name)
    comparison = compare(settings, wanted)
    if not as_json:
        print_comparison(comparison)
    if check or not comparison.differences:
        if as_json:
            print_json(comparison_json(comparison, None if check else []))
        return DRIFTED if comparison.differences or comparison.in_doubt else 0
    for line in lifecycle_hazards(context.catalog, access, comparison):
        click.echo(f"Warning: {printable(line)}", err=True)
    if not yes:
        click.confirm(f"Change these settings of s3://{name}?", abort=True, err=True)
    return _applied(settings, comparison, as_json)


def _named(
    context: CliContext, wanted: "Wanted", bucket: str | None, source_id: str | None
) -> tuple["Access", str]:
    """The bucket of the arguments, which must be that of the file if both name one."""
    if bucket is None and source_id is None:
        bucket = wanted.bucket
        if bucket is None:
            raise click.UsageError("The file names no bucket: name a BUCKET or a --source.")
    access, place = chosen_place(context, bucket, source_id)
    if wanted.bucket not in (None, place.bucket):
        raise click.UsageError(
            f"The file is for the bucket {wanted.bucket!r}, not for {place.bucket!r}."
        )
    return access, place.bucket


def _applied(settings: "BucketSettings", comparison: "Comparison", as_json: bool) -> int:
    from s3pipelines.core.buckets.configuring import apply_differences

    applied = list(apply_differences(settings, comparison))
    if as_json:
        print_json(comparison_json(comparison, applied))
    else:
        print_applied(applied)
    failed = any(one.outcome == "failed" for one in applied)
    return SOME_FAILED if failed or comparison.in_doubt else 0
