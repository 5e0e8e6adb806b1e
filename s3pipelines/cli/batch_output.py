"""How plans and reports are printed."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from s3pipelines.cli.output import print_fields, print_json, print_table
from s3pipelines.core.preview.wording import counted, human_bytes

if TYPE_CHECKING:
    from s3pipelines.core.batch.plans import Plan
    from s3pipelines.core.batch.report import Report


def print_plan(plan: "Plan", as_json: bool = False) -> None:
    """Print what a plan is about to do."""
    if as_json:
        print_json(plan.model_dump(mode="json", exclude={"shards"}))
        return
    summary = plan.summary
    print_fields(
        {
            "plan": plan.id,
            "action": plan.action,
            "source": plan.source_id,
            "target": plan.target or "(they stay where they are)",
            "selection": plan.selection,
            "params": ", ".join(f"{name}={value}" for name, value in plan.params.items() if value),
            "objects": f"{summary.to_do:,} of {summary.objects:,}",
            "size": human_bytes(summary.size_bytes),
            "requests": f"{summary.requests:,} (about ${summary.usd:,.4f} on AWS)",
            "reason": plan.reason,
        }
    )
    if summary.classes:
        rows = [
            (c.storage_class, f"{c.objects:,}", human_bytes(c.size_bytes)) for c in summary.classes
        ]
        print_table(["storage class", "objects", "size"], rows)
    if summary.flags:
        rows = [(f.name, f"{f.objects:,}", f.meaning, ", ".join(f.examples)) for f in summary.flags]
        print_table(["note", "objects", "meaning", "for example"], rows)
    if plan.target is None:
        print_table(["key"], [(key,) for key, _ in summary.samples])
    else:
        print_table(["key", "target"], [(key, target or "") for key, target in summary.samples])


def print_report(report: "Report", as_json: bool) -> None:
    """Print what became of a plan."""
    fields = {
        "plan": report.plan.id,
        "action": report.plan.action,
        "source": report.plan.source_id,
        "done": report.done,
        "skipped": report.skipped,
        "failed": report.failed,
        "left": report.left,
        "done_bytes": report.done_bytes,
        "preconditions": report.preconditions,
        "applied_by": report.applied_by,
    }
    if as_json:
        print_json({**fields, "reasons": [asdict(reason) for reason in report.reasons]})
        return
    by = ", ".join(f"{n:,} {name}" for name, n in report.preconditions.items())
    print_fields({**fields, "done_bytes": human_bytes(report.done_bytes), "preconditions": by})
    if report.reasons:
        rows = [
            (r.outcome, r.error, f"{r.objects:,}", r.detail, ", ".join(r.examples))
            for r in report.reasons
        ]
        print_table(["outcome", "reason", "objects", "detail", "for example"], rows)
    if report.left:
        click.echo(
            f"{counted(report.left, 'object')} without an outcome yet: apply the plan again."
        )
