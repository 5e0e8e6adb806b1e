"""`s3pipelines index …`: bring the object index up to date, see its past, take it elsewhere."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.differences import limit_option, print_differences
from s3pipelines.cli.output import (
    json_option,
    print_fields,
    print_json,
    print_table,
)
from s3pipelines.core.detection.differences import KINDS
from s3pipelines.core.preview.wording import counted, human_bytes

if TYPE_CHECKING:
    from s3pipelines.core.index.apply import Batch
    from s3pipelines.core.index.refresh import Refresh
    from s3pipelines.core.upkeep.report import Kept

SOME_FAILED = 1


@click.group()
def index() -> None:
    """The object index: what a source holds."""


@index.command()
@click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
@click.option("--full", is_flag=True, help="List the whole source, whatever the ledger has.")
@click.option(
    "--inventory",
    metavar="URI",
    help="Read a report of S3 Inventory in place of a listing: s3://BUCKET/.../manifest.json.",
)
@json_option
@click.pass_obj
def refresh(
    context: CliContext, source_id: str, full: bool, inventory: str | None, as_json: bool
) -> None:
    """Bring the rows of a source in the table `objects` up to date.

    Applies what the ledger has for the source, from events or the listing sensor, without listing.
    If it has nothing, or with --full, lists the source.
    """
    if full and inventory:
        raise click.UsageError("--full lists, --inventory reads a report: give one of them.")
    from s3pipelines.cli.reporting import report_index
    from s3pipelines.core.index.up_to_date import bring_up_to_date

    outcome = bring_up_to_date(
        context.catalog,
        source_id,
        full=full,
        inventory=inventory,
        say=lambda line: click.echo(line, err=True),
    )
    report_index(context, outcome)
    fields = _fields(outcome)
    if as_json:
        print_json(fields)
    else:
        print_fields({**fields, "size_bytes": human_bytes(fields["size_bytes"])})


def _fields(outcome: "Refresh | Batch") -> dict[str, Any]:
    from s3pipelines.core.index.refresh import Refresh

    if isinstance(outcome, Refresh):
        changes = {kind: getattr(outcome, kind) for kind in KINDS}
        waiting, wrote = outcome.waiting, outcome.wrote
    else:
        applied = outcome.applied
        changes, waiting, wrote = applied.changes, applied.waiting, applied.wrote
    return {
        "source": outcome.source.id,
        "objects": sum(group.objects for group in outcome.groups),
        "size_bytes": sum(group.size_bytes for group in outcome.groups),
        **changes,
        "waiting_to_settle": waiting,
        "written_as": wrote,
        "table_version": outcome.table_version,
        "listing_requests": outcome.requests if isinstance(outcome, Refresh) else 0,
        "asked_s3_about": outcome.applied.asked,
        "duration_s": round(outcome.duration_s, 3),
    }


@index.command()
@click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
@click.option(
    "--to", "target", required=True, metavar="PATH", help="A file, or s3://BUCKET/KEY.parquet."
)
@json_option
@click.pass_obj
def export(context: CliContext, source_id: str, target: str, as_json: bool) -> None:
    """Write the rows of a source as one plain Parquet file, sorted by key."""
    from s3pipelines.core.catalog.export import export_objects
    from s3pipelines.core.sources.registry import get_source

    source = get_source(context.catalog, source_id)
    rows = export_objects(context.catalog, source.id, target)
    if as_json:
        print_json({"source": source.id, "rows": rows, "path": target})
    else:
        click.echo(f"Wrote {counted(rows, 'row')} to {target}")


@index.command()
@click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Most states.")
@json_option
@click.pass_obj
def history(context: CliContext, source_id: str, limit: int, as_json: bool) -> None:
    """Show the states that the index of a source went through, the newest first.

    A version, or a time, is what 'index diff' and objects_at() in SQL take. What only put the same
    rows into other files is left out.
    """
    from s3pipelines.core.index.history import index_history

    states = [vars(state) for state in index_history(context.catalog, source_id, limit)]
    if as_json:
        print_json({"source": source_id, "states": states})
    elif states:
        rows = [["" if value is None else _shown(value) for value in s.values()] for s in states]
        print_table(list(states[0]), rows)
    else:
        click.echo("There is none yet.")


def _shown(value: Any) -> str:
    # To the microsecond: what is printed is to mean the same state when it is given back.
    return value.isoformat() if isinstance(value, datetime) else str(value)


@index.command()
@click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
@click.option(
    "--from", "before", required=True, metavar="V", help="A version, or a time (ISO 8601, UTC)."
)
@click.option("--to", "after", required=True, metavar="V", help="Another one.")
@limit_option
@json_option
@click.pass_obj
def diff(
    context: CliContext,
    source_id: str,
    before: str,
    after: str,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show which objects differ between two states of the index of a source.

    A version means the last moment in which it was the newest; a date means its beginning.
    """
    from s3pipelines.core.catalog.past import moment_of_text
    from s3pipelines.core.index.state_differences import compare_states

    moments = moment_of_text(before), moment_of_text(after)
    with compare_states(context.catalog, source_id, *moments) as found:
        states = {"source": source_id, "from": before, "to": after}
        print_differences(states, found, limit, as_json)


@index.command()
@click.option(
    "--source",
    "source_id",
    metavar="ID",
    help="Only the files of this source; nothing is removed then. By default all, and all tables.",
)
@json_option
@click.pass_obj
def optimize(context: CliContext, source_id: str | None, as_json: bool) -> int:
    """Put the files of the tables in order, and remove what only old versions need.

    Files that overlap or are small are written anew, sorted by key; no row that a reader is shown
    changes. Files and log of versions that were replaced more than S3PIPELINES_KEEP_VERSIONS_DAYS
    ago are removed. The schedule 'nightly_optimize' does the same every night.
    """
    from dataclasses import asdict
    from datetime import timedelta

    from s3pipelines.core.upkeep.optimize import optimize as optimize_catalog

    upkeep = optimize_catalog(
        context.catalog,
        timedelta(days=context.settings.keep_versions_days),
        source_id=source_id,
        say=lambda line: click.echo(line, err=True),
    )
    if as_json:
        parts = [asdict(part) for part in upkeep.parts]
        print_json({"parts": parts, "duration_s": round(upkeep.duration_s, 3)})
    else:
        print_table(_UPKEEP_COLUMNS, [_upkeep_row(part) for part in upkeep.parts])
    return SOME_FAILED if upkeep.failures else 0


_UPKEEP_COLUMNS = ("table", "source", "files", "size", "written anew", "removed", "seconds", "note")


def _upkeep_row(part: "Kept") -> tuple[str, ...]:
    files = f"{part.files_before} -> {part.files_after}"
    size = f"{human_bytes(part.bytes_before)} -> {human_bytes(part.bytes_after)}"
    removed = f"{part.removed_files} ({human_bytes(part.removed_bytes)})"
    return (
        part.table,
        part.source or "(all)",
        files if part.source else "",
        size if part.source else "",
        str(part.rewritten_files),
        removed if not part.source else "",
        f"{part.duration_s:.2f}",
        part.error or part.note,
    )
