"""`s3pipelines batch …`: plan → review → apply → report → undo."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from s3pipelines.cli.action_options import action_options
from s3pipelines.cli.ages import Age
from s3pipelines.cli.applying import SOME_FAILED, applied, planned, print_new, refuse_json
from s3pipelines.cli.batch_output import print_plan, print_report
from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import json_option, print_json, print_table
from s3pipelines.cli.selection import selection_options
from s3pipelines.core.batch.actions import ACTIONS
from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.preview.wording import counted

_plan_id = click.argument("plan_id", metavar="PLAN_ID")
_reason = click.option("--reason", default="", metavar="TEXT", help="Why; kept with the outcomes.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group()
def batch() -> None:
    """Change many objects at once: plan, review, apply, report, undo.

    A plan is frozen: it names each object with its ETag, and what has changed since is left alone.
    Nothing is changed before 'apply'; what is killed goes on with another 'apply'.
    """


@batch.group()
def plan() -> None:
    """Plan a change of many objects, without changing one. Prints the plan's id and a summary."""


def _add_plan_command(action: type[Action]) -> None:
    @plan.command(name=action.name, help=action.summary)
    @click.option(
        "--source",
        "source_id",
        required=True,
        metavar="ID[@VERSION]",
        help="The source; with a version, the objects as that has them.",
    )
    @selection_options
    @action_options(action)
    @_reason
    @json_option
    @click.pass_obj
    def make(
        context: CliContext, source_id: str, reason: str, as_json: bool, **options: Any
    ) -> int:
        made, unknown = planned(context, action, source_id, reason, options)
        print_new(made, as_json)
        return SOME_FAILED if unknown else 0


for _action in ACTIONS.values():
    _add_plan_command(_action)


@batch.command(name="list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, metavar="N")
@json_option
@click.pass_obj
def list_(context: CliContext, limit: int, as_json: bool) -> None:
    """The newest plans."""
    from s3pipelines.core.batch.plans import list_plans

    plans = list_plans(context.catalog, limit)
    if as_json:
        print_json([made.model_dump(mode="json", exclude={"shards"}) for made in plans])
        return
    rows = [
        (
            made.id,
            made.action,
            made.source_id,
            f"{made.summary.to_do:,}",
            made.created_by,
            made.reason,
        )
        for made in plans
    ]
    print_table(["plan", "action", "source", "objects", "by", "reason"], rows)


@batch.command()
@_plan_id
@json_option
@click.pass_obj
def show(context: CliContext, plan_id: str, as_json: bool) -> None:
    """What a plan is about to do."""
    from s3pipelines.core.batch.plans import read_plan

    print_plan(read_plan(context.catalog, plan_id), as_json)


@batch.command()
@_plan_id
@_reason
@_yes
@json_option
@click.pass_obj
def apply(context: CliContext, plan_id: str, reason: str, yes: bool, as_json: bool) -> int:
    """Carry out what a plan says and is not done yet.

    Exit status 1 if some objects failed; they are listed with their reasons.
    """
    from s3pipelines.core.batch.plans import read_plan

    made = read_plan(context.catalog, plan_id)
    if not yes:
        refuse_json(as_json)
        print_plan(made)
        click.confirm(f"Change {counted(made.summary.to_do, 'object')}?", abort=True, err=True)
    return applied(context, plan_id, reason, as_json)


@batch.command()
@_plan_id
@click.option(
    "--rows",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write every object's outcome into this .csv or .parquet file.",
)
@click.option("--failed", is_flag=True, help="Into the file, only those that failed.")
@json_option
@click.pass_obj
def report(
    context: CliContext, plan_id: str, path: Path | None, failed: bool, as_json: bool
) -> int:
    """What became of a plan. Exit status 1 if some objects failed."""
    from s3pipelines.core.batch.report import report_on, write_rows

    found = report_on(context.catalog, plan_id)
    print_report(found, as_json)
    if path is not None:
        written = write_rows(context.catalog, plan_id, path, "failed" if failed else "all")
        click.echo(f"Wrote {counted(written, 'row')} to {path}.", err=True)
    return SOME_FAILED if found.failed else 0


@batch.command()
@_plan_id
@_reason
@click.option("--plan-only", is_flag=True, help="Make the reverse plan, and do not apply it.")
@_yes
@json_option
@click.pass_obj
def undo(
    context: CliContext, plan_id: str, reason: str, plan_only: bool, yes: bool, as_json: bool
) -> int:
    """Take back what a plan did: make the reverse plan, show it, and apply it.

    What was changed again since is left alone. Says beforehand what cannot be taken back.
    """
    from s3pipelines.core.batch.undoing import make_undo_plan

    made = make_undo_plan(context.catalog, plan_id, reason=reason)
    if plan_only:
        print_new(made, as_json)
        return 0
    if not yes:
        refuse_json(as_json)
        print_plan(made)
        click.confirm(f"Take back {counted(made.summary.to_do, 'change')}?", abort=True, err=True)
    return applied(context, made.id, reason, as_json)


@batch.command(name="empty-trash")
@click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
@click.option(
    "--older-than",
    type=Age(),
    default="30d",
    show_default=True,
    metavar="AGE",
    help="Only what has lain there for so many days (30d) or hours (12h).",
)
@_reason
@_yes
@json_option
@click.pass_obj
def empty_trash(
    context: CliContext,
    source_id: str,
    older_than: timedelta,
    reason: str,
    yes: bool,
    as_json: bool,
) -> int:
    """Delete for good what lies in the trash of a source.

    It cannot be undone, and neither can what had put it there. Copies that a plan may still need
    stay: those of objects without an outcome.
    """
    from s3pipelines.core.batch.emptying import make_emptying_plan

    if not yes:
        refuse_json(as_json)
    made = make_emptying_plan(context.catalog, source_id, older_than, reason=reason)
    if made is None:
        click.echo("Nothing in the trash is that old.", err=True)
        if as_json:
            print_json({"plan": None, "done": 0})
        return 0
    if not yes:
        print_plan(made)
        objects = counted(made.summary.to_do, "object")
        click.confirm(f"Delete {objects} for good?", abort=True, err=True)
    return applied(context, made.id, reason, as_json)
