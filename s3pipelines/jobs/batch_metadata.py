"""What a run shows of a plan and of its report."""

from collections.abc import Mapping

from dagster import MetadataValue

from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.report import Report
from s3pipelines.core.errors import printable
from s3pipelines.core.preview.wording import human_bytes


def plan_metadata(plan: Plan) -> Mapping[str, MetadataValue]:
    """What a reviewer reads: numbers that plot, and the summary as a page."""
    summary = plan.summary
    return {
        "plan_id": MetadataValue.text(plan.id),
        "objects": MetadataValue.int(summary.to_do),
        "size_bytes": MetadataValue.int(summary.size_bytes),
        "requests": MetadataValue.int(summary.requests),
        "usd": MetadataValue.float(summary.usd),
        "review": MetadataValue.md(_review(plan)),
    }


def report_metadata(report: Report) -> Mapping[str, MetadataValue]:
    """What became of the plan: numbers that plot, and failures by reason as a page."""
    return {
        "plan_id": MetadataValue.text(report.plan.id),
        "done": MetadataValue.int(report.done),
        "skipped": MetadataValue.int(report.skipped),
        "failed": MetadataValue.int(report.failed),
        "left": MetadataValue.int(report.left),
        "done_bytes": MetadataValue.int(report.done_bytes),
        "report": MetadataValue.md(_report(report)),
    }


def _review(plan: Plan) -> str:
    summary = plan.summary
    flags = [(f.name, f"{f.objects:,}", f.meaning, ", ".join(f.examples)) for f in summary.flags]
    classes = [
        (c.storage_class, f"{c.objects:,}", human_bytes(c.size_bytes)) for c in summary.classes
    ]
    first = (
        f"**{plan.action}** {summary.to_do:,} of {summary.objects:,} objects "
        f"({human_bytes(summary.size_bytes)}) of {_cell(plan.source_id)}"
        f"{f' to {_cell(plan.target)}' if plan.target else ''}"
    )
    samples = [(key, target or "") for key, target in summary.samples]
    return "\n".join(
        [
            first,
            "",
            *_table(("storage class", "objects", "size"), classes),
            *_table(("note", "objects", "meaning", "for example"), flags),
            *_table(("key", "target"), samples),
        ]
    )


def _report(report: Report) -> str:
    reasons = [
        (r.outcome, r.error, f"{r.objects:,}", r.detail, ", ".join(r.examples))
        for r in report.reasons
    ]
    compared = ", ".join(f"{count:,} {name}" for name, count in report.preconditions.items())
    first = (
        f"**{report.plan.action}** of {_cell(report.plan.source_id)}, plan {report.plan.id}: "
        f"{report.done:,} done ({human_bytes(report.done_bytes)}), {report.skipped:,} skipped, "
        f"{report.failed:,} failed, {report.left:,} left. Preconditions: {compared or 'none'}."
    )
    columns = ("outcome", "reason", "objects", "detail", "for example")
    return "\n".join([first, "", *_table(columns, reasons)])


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    lines = [" | ".join(map(_cell, row)) for row in rows]
    return [
        f"| {' | '.join(columns)} |",
        "|" + " --- |" * len(columns),
        *(f"| {line} |" for line in lines),
        "",
    ]


def _cell(text: str) -> str:
    """A text of strangers: nothing of it may be taken for Markdown or for a column."""
    shown = printable(text).replace("\\", "\\\\")
    return "".join(f"&#{ord(c)};" if c in "|<>&`*_[]!#~" else c for c in shown)
