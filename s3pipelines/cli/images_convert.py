"""`s3pipelines images convert`: plan a conversion, show it, ask, and apply it."""

from typing import Any

import click

from s3pipelines.cli.action_options import action_options
from s3pipelines.cli.applying import SOME_FAILED, applied, planned, print_new, refuse_json
from s3pipelines.cli.batch_output import print_plan
from s3pipelines.cli.context import CliContext
from s3pipelines.cli.images import images
from s3pipelines.cli.output import json_option
from s3pipelines.cli.selection import selection_options
from s3pipelines.core.batch.actions.convert import ConvertAction


@images.command()
@click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
@selection_options
@action_options(ConvertAction)
@click.option("--reason", default="", metavar="TEXT", help="Why; kept with the outcomes.")
@click.option("--plan-only", is_flag=True, help="Make the plan, and do not apply it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def convert(
    context: CliContext,
    source_id: str,
    reason: str,
    plan_only: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Convert images to another size or format: make a plan, show it, and apply it.

    Each file is reopened and compared with what was meant before it appears under its key. It is
    the same as 'batch plan convert' and 'batch apply', and can be undone by 'batch undo'. Steps are
    carried out in the order of the options below.
    """
    if not (yes or plan_only):
        refuse_json(as_json)
    made, unknown = planned(context, ConvertAction, source_id, reason, options)
    if plan_only:
        print_new(made, as_json)
        return SOME_FAILED if unknown else 0
    if not yes:
        print_plan(made)
        click.confirm(f"Convert {made.summary.to_do:,} objects?", abort=True, err=True)
    return applied(context, made.id, reason, as_json) or (SOME_FAILED if unknown else 0)
