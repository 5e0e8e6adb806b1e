"""`s3pipelines data snapshot|diff|drift`: versions of a source."""

from dataclasses import asdict

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.data_output import take_in_pending
from s3pipelines.cli.differences import limit_option, print_differences
from s3pipelines.cli.output import json_option, print_fields, print_json
from s3pipelines.core.errors import printable
from s3pipelines.core.preview.wording import human_bytes

SOME_FAILED = 1
_MOST_KEYS = 50


@click.command()
@click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
@click.option("-m", "--message", default="", metavar="TEXT", help="Why; kept with the version.")
@json_option
@click.pass_obj
def snapshot(context: CliContext, source_id: str, message: str, as_json: bool) -> None:
    """Freeze what the index has of a source as its next numbered version.

    Nothing is copied. 'ID@VERSION' then works wherever a source is named for reading, and batch
    plans refuse to delete its members. If nothing changed since the latest version, that one is
    told.
    """
    from s3pipelines.core.datasets.freezing import snapshot as freeze

    take_in_pending(context, source_id)
    frozen = freeze(context.catalog, source_id, message)
    version = frozen.version
    if as_json:
        told = version.model_dump(mode="json", exclude={"files", "folder"})
        print_json({**told, "name": version.name, "is_new": frozen.is_new})
        return
    if not frozen.is_new:
        click.echo(f"Nothing changed since {version.name} was made.")
    print_fields(
        {
            "version": version.name,
            "objects": f"{version.objects:,}",
            "size": human_bytes(version.size_bytes),
            "made": f"{version.created_at:%Y-%m-%d %H:%M:%S} by {version.created_by}",
            **({"message": version.message} if version.message else {}),
        }
    )


@click.command()
@click.argument("before", metavar="ID@A")
@click.argument("after", metavar="ID@B")
@limit_option
@json_option
@click.pass_obj
def diff(context: CliContext, before: str, after: str, limit: int | None, as_json: bool) -> None:
    """Show which objects differ between two versions; 'ID' alone is the index as it is now."""
    from s3pipelines.core.datasets.comparing import compare_versions

    with compare_versions(context.catalog, before, after) as found:
        print_differences({"from": before, "to": after}, found, limit, as_json)


@click.command()
@click.argument("name", metavar="ID@VERSION")
@click.option("--ask", is_flag=True, help="Ask S3 about each member, rather than the index.")
@json_option
@click.pass_obj
def drift(context: CliContext, name: str, ask: bool, as_json: bool) -> int:
    """Show which members of a version were overwritten or deleted since it was made.

    Exit status 1 if there are some.
    """
    from s3pipelines.core.datasets.drift import find_drift
    from s3pipelines.core.datasets.states import split_name

    if not ask:
        take_in_pending(context, split_name(name)[0])
    with find_drift(context.catalog, name, ask=ask) as (state, drifted):
        found = list(drifted)
    counts = {kind: sum(one.kind == kind for one in found) for kind in ("overwritten", "deleted")}
    failed = len(found) - sum(counts.values())
    members = state.version.objects if state.version else 0
    about = {
        "version": name,
        "members": members,
        **counts,
        **({"failed": failed} if failed else {}),
    }
    if as_json:
        print_json({**about, "drifted": [asdict(one) for one in found]})
    else:
        print_fields(about)
        for one in found[:_MOST_KEYS]:
            detail = f"  {printable(one.detail)}" if one.detail else ""
            click.echo(f"{one.kind:<12} {printable(one.key)}{detail}")
        if len(found) > _MOST_KEYS:
            click.echo(f"{_MOST_KEYS:,} of {len(found):,}; --json shows all.")
    return SOME_FAILED if found else 0
