"""`s3pipelines buckets …`: the buckets themselves: made, shown, configured, removed."""

from pathlib import Path
from typing import Any

import click

from s3pipelines.cli.bucket_configure import configure_by_file
from s3pipelines.cli.bucket_notify import chosen_place, notify
from s3pipelines.cli.bucket_output import (
    print_applied,
    print_contents,
    print_overview,
    print_removal,
    print_states,
    states_json,
)
from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import json_option, print_fields, print_json
from s3pipelines.cli.progress import progress_bar

SOME_FAILED = 1
REFUSED = 2
_DEFAULT_QUEUE = "s3pipelines-uploads"

_source = click.option(
    "--source", "source_id", metavar="ID", help="The bucket of this source, reached as it is."
)
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group()
def buckets() -> None:
    """Buckets: make, list, show, configure and delete them.

    Credentials and endpoint are those of the catalog; with --source those of that source.
    """


@buckets.command()
@click.argument("name", metavar="NAME")
@click.option("--region", metavar="R", help="Where it is to lie; by default as AWS_REGION says.")
@click.option("--versioning", is_flag=True, help="Keep what is overwritten or deleted.")
@click.option(
    "--encryption",
    type=click.Choice(["AES256", "aws:kms", "aws:kms:dsse"]),
    help="How S3 encrypts it; by default as the server does by itself.",
)
@click.option("--kms-key", metavar="ARN", help="The key, for KMS.")
@click.option("--tag", "tags", multiple=True, metavar="K=V", help="A tag; may be repeated.")
@click.option(
    "--allow-public-access",
    is_flag=True,
    help="Do not block public access; nothing is public by that alone.",
)
@json_option
@click.pass_obj
def create(context: CliContext, name: str, as_json: bool, **options: Any) -> int:
    """Make a bucket. Public access is blocked, and objects belong to its owner.

    Running it again changes nothing; if it was killed, that completes the bucket.
    """
    from s3pipelines.cli.source_options import parse_tags
    from s3pipelines.core.buckets.creating import NewBucket, create_bucket

    new = NewBucket(
        name,
        region=options["region"],
        versioning=options["versioning"],
        algorithm=options["encryption"],
        kms_key=options["kms_key"],
        block_public_access=not options["allow_public_access"],
        tags=parse_tags(options["tags"]),
    )
    made = create_bucket(context.catalog.access, new)
    if as_json:
        print_json({**vars(made), "applied": [vars(one) for one in made.applied]})
    else:
        state = "made" if made.made else "was there already"
        print_fields({"bucket": f"s3://{name}/", "region": made.region or "", "state": state})
        print_applied(made.applied)
    return SOME_FAILED if made.failed else 0


@buckets.command(name="list")
@json_option
@click.pass_obj
def list_(context: CliContext, as_json: bool) -> int:
    """The account's buckets and those of sources, with what the index counts in them.

    'indexed' tells whether sources cover the whole bucket, a part of it, or none.
    """
    from s3pipelines.core.buckets.overview import list_buckets

    overview = list_buckets(context.catalog)
    print_overview(overview, as_json)
    return SOME_FAILED if overview.problem else 0


@buckets.command()
@click.argument("name", metavar="[NAME]", required=False)
@_source
@click.option("--yaml", "as_yaml", is_flag=True, help="As a file for 'configure --file'.")
@json_option
@click.pass_obj
def show(
    context: CliContext, name: str | None, source_id: str | None, as_yaml: bool, as_json: bool
) -> int:
    """All settings of a bucket.

    One that may not be read is named, and exit status is 1; it is 2 if none may be.
    """
    from s3pipelines.core.buckets.state import file_text, read_states
    from s3pipelines.core.storage.bucket_admin import region_if_known
    from s3pipelines.core.storage.bucket_settings import BucketSettings

    if as_yaml and as_json:
        raise click.UsageError("--yaml and --json exclude each other.")
    access, place = chosen_place(context, name, source_id)
    bucket = place.bucket
    states = read_states(BucketSettings(access, bucket))
    if as_yaml:
        click.echo(file_text(bucket, states), nl=False)
    else:
        region = region_if_known(access, bucket)
        if as_json:
            print_json(states_json(bucket, region, states))
        else:
            print_states(bucket, region, states)
    in_doubt = [state.is_in_doubt for state in states.values()]
    if all(in_doubt):
        return REFUSED
    return SOME_FAILED if any(in_doubt) else 0


@buckets.command()
@click.argument("bucket", required=False)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Bring the bucket to what this YAML file says; what it does not name is left alone.",
)
@click.option("--check", is_flag=True, help="Only compare: exit status 1 if something differs.")
@_yes
@click.option("--notify", "notifies", is_flag=True, help="Have it notify an SQS queue.")
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
    source_id: str | None,
    path: Path | None,
    notifies: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Bring a bucket to what a file says, or have it notify an SQS queue of its uploads.

    --file shows what differs, asks, and writes only that: versioning, encryption,
    public_access_block, tags, lifecycle, cors, policy, notifications. --notify adds a rule for
    BUCKET, or for a source; others stay. Running either again changes nothing.
    """
    if notifies == (path is not None):
        raise click.UsageError(
            "Say what to configure: --file FILE brings the bucket to what a file says, --notify "
            "has the bucket notify an SQS queue of its events."
        )
    check, yes = options["check"], options["yes"]
    if path is None:
        if check or yes:
            raise click.UsageError("--check and --yes go with --file.")
        notify(context, bucket, source_id, options["prefixes"], options["queue"], as_json)
        return 0
    if options["prefixes"]:
        raise click.UsageError("--prefix goes with --notify.")
    return configure_by_file(
        context, path, bucket, source_id, check=check, yes=yes, as_json=as_json
    )


@buckets.command()
@click.argument("name", metavar="NAME")
@click.option("--with-contents", is_flag=True, help="Also if it is not empty: delete all of that.")
@click.option(
    "--even-though",
    "even_though",
    multiple=True,
    metavar="USE",
    help="Also though the project uses it: catalog, derivatives, trash, source:ID or inbox:ID; "
    "may be repeated, and must name all of them.",
)
@_yes
@json_option
@click.pass_obj
def delete(
    context: CliContext,
    name: str,
    with_contents: bool,
    even_though: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> int:
    """Remove a bucket, if it is empty; --with-contents shows what would go with it, and asks.

    All versions, delete markers and unfinished uploads go first. If it is killed, run it again.
    """
    from s3pipelines.core.buckets.contents import survey
    from s3pipelines.core.buckets.deleting import delete_bucket, require_deletable
    from s3pipelines.core.buckets.uses import require_unused, uses_of

    if as_json and not yes:
        raise click.UsageError("--json leaves no room for a question: give --yes, too.")
    access, place = chosen_place(context, name, None)
    bucket = place.bucket
    require_deletable(access, bucket, with_contents=with_contents)
    uses = uses_of(context.catalog, access, bucket)
    require_unused(uses, bucket, even_though)
    total = 0
    if with_contents and not as_json:
        with progress_bar(f"look into {bucket}", 0) as advance:
            contents = survey(access, bucket, advance)
        print_contents(bucket, contents, uses)
        total = contents.objects + contents.old_versions + contents.delete_markers
    if not yes:
        _ask_for_name(bucket)
    with progress_bar(f"delete {bucket}", total) as advance:
        removal = delete_bucket(access, bucket, with_contents=with_contents, progress=advance)
    print_removal(removal, as_json)
    return 0 if removal.removed else SOME_FAILED


def _ask_for_name(bucket: str) -> None:
    typed = click.prompt("This cannot be undone. Type the bucket's name to delete it", err=True)
    if typed != bucket:
        raise click.UsageError(f"{typed!r} is another name; nothing was deleted.")
