"""What the commands that plan, review and apply have in common."""

from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.action_options import chosen_action
from s3pipelines.cli.batch_output import print_plan, print_report
from s3pipelines.cli.context import CliContext
from s3pipelines.cli.progress import progress_bar
from s3pipelines.cli.selection import chosen_selection, warn_of_unknown_keys
from s3pipelines.core.batch.actions.action import Action

if TYPE_CHECKING:
    from s3pipelines.core.batch.plans import Plan

SOME_FAILED = 1


def planned(
    context: CliContext, action: type[Action], source_id: str, reason: str, options: dict[str, Any]
) -> "tuple[Plan, int]":
    """Make the plan that the options describe; with how many listed keys are not known.

    Raises:
        S3PipelinesError: It cannot be made; nothing was changed.
    """
    from s3pipelines.core.batch.planning import Request, make_plan

    chosen = chosen_action(action, options)
    selection = chosen_selection(options)
    unknown = warn_of_unknown_keys(context, source_id, selection)
    request = Request(source_id, chosen, selection, reason)
    made = make_plan(context.catalog, request, lambda line: click.echo(line, err=True))
    return made, unknown


def print_new(made: "Plan", as_json: bool) -> None:
    """Print a plan that nobody has applied yet, and how that is done."""
    print_plan(made, as_json)
    if not as_json:
        click.echo(f"Nothing was changed. Next: s3pipelines batch apply {made.id}")


def refuse_json(as_json: bool) -> None:
    """Refuse JSON where a question is about to be asked.

    Raises:
        click.UsageError: It is asked for.
    """
    if as_json:
        raise click.UsageError("--json leaves no room for a question: give --yes, too.")


def applied(context: CliContext, plan_id: str, reason: str, as_json: bool) -> int:
    """Apply a plan, bring the index up to date, print the report, and tell the exit status."""
    from s3pipelines.cli.reporting import report_index
    from s3pipelines.core.batch.applying import apply_plan
    from s3pipelines.core.batch.plans import read_plan
    from s3pipelines.core.batch.telling import pending_sources
    from s3pipelines.core.index.apply import apply_changes

    made = read_plan(context.catalog, plan_id)
    with progress_bar(f"{made.action} {made.source_id}", made.summary.objects) as advance:
        done = apply_plan(
            context.catalog,
            plan_id,
            reason=reason,
            say=lambda line: click.echo(line, err=True),
            progress=advance,
        )
    for source in pending_sources(context.catalog, made):
        report_index(context, apply_changes(context.catalog, source.id))
    print_report(done, as_json)
    return SOME_FAILED if done.failed or done.left else 0
