"""`s3pipelines data audit`: are the objects still what they were?"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.amounts import Share, Size
from s3pipelines.cli.context import CliContext
from s3pipelines.cli.data_output import take_in_pending
from s3pipelines.cli.data_selection import chosen_members, member_options
from s3pipelines.cli.output import json_option, print_fields, print_json, print_table
from s3pipelines.cli.progress import byte_bar
from s3pipelines.core.preview.wording import human_bytes

if TYPE_CHECKING:
    from s3pipelines.core.fixity.outcomes import Audit

SOME_FAILED = 1
_MOST_SHOWN = 50


@click.command()
@click.option(
    "--source", "name", required=True, metavar="ID[@VERSION]", help="The source, or a version."
)
@member_options
@click.option(
    "--sample", type=Share(), default=1.0, metavar="P", help="Only this share, such as 2%."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="N",
    help="Draw the sample of this number again; by default another one each time.",
)
@click.option(
    "--budget", "budget_bytes", type=Size(), metavar="BYTES", help="Read at most so much (50GB)."
)
@click.option(
    "--budget-s",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="After so long begin no other object.",
)
@json_option
@click.pass_obj
def audit(
    context: CliContext,
    name: str,
    sample: float,
    seed: int | None,
    budget_bytes: int | None,
    budget_s: float | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Read objects again, and compare their SHA-256, ETag, checksums and size with what is known.

    Those that were not read for longest come first, so that audits with a budget work through
    everything, one after the other. What is found is in the table 'audits'. Exit status 1 if some
    objects are damaged or missing, or could not be read; they are listed.
    """
    from s3pipelines.core.datasets.downloading import Progress
    from s3pipelines.core.datasets.states import split_name
    from s3pipelines.core.fixity.auditing import Wanted
    from s3pipelines.core.fixity.auditing import audit as audit_objects
    from s3pipelines.core.fixity.due import Sample

    selection, unknown = chosen_members(context, name, options)
    source_id, number = split_name(name)
    if number is None:
        take_in_pending(context, source_id)
    drawn = Sample(sample) if seed is None else Sample(sample, seed)
    wanted = Wanted(name, selection, drawn, budget_bytes, budget_s)
    with byte_bar(f"audit {name}") as bar:
        done = audit_objects(context.catalog, wanted, Progress(bar.begin, bar.advance))
    _print(done, sample, as_json)
    return SOME_FAILED if unknown or done.failing else 0


def _print(done: "Audit", share: float, as_json: bool) -> None:
    left = done.due - done.audited
    if as_json:
        print_json(
            {
                "source": done.name,
                "sample": share,
                "seed": done.seed,
                "due": done.due,
                "audited": done.audited,
                "left": left,
                "read_bytes": done.read_bytes,
                "counts": dict(sorted(done.counts.items())),
                "objects": [asdict(one) for one in done.told],
            }
        )
        return
    fields = {
        "audited": f"{done.audited:,} of {done.due:,} ({human_bytes(done.read_bytes)} read)",
        **{outcome: f"{count:,}" for outcome, count in sorted(done.counts.items())},
    }
    if share < 1:
        fields["sample"] = f"{share:.6g} of the objects, --seed {done.seed}"
    if done.budget_used_up:
        fields["left"] = f"{left:,}: the budget is used up; repeat it to go on"
    print_fields(fields)
    rows = [(one.key, one.outcome, one.detail or "") for one in done.told]
    if rows:
        print_table(("key", "outcome", "detail"), rows[:_MOST_SHOWN])
    if len(rows) > _MOST_SHOWN:
        click.echo(f"{_MOST_SHOWN} of {len(rows):,} are shown; --json shows all.")
