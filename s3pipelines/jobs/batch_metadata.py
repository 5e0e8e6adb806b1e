"""What a run shows of a plan and of its report."""

from collections.abc import Mapping, Sequence

from dagster import MetadataValue

from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.report import Report
from s3pipelines.core.errors import printable
from s3pipelines.core.preview.wording import counted, human_bytes

_PRECONDITIONS = {
    "native": "by the server itself while it acted",
    "head": "by a HEAD of each",
    "listing": "by a listing",
}


def plan_metadata(plan: Plan) -> Mapping[str, MetadataValue]:
    """What a reviewer reads: the summary as a page, and numbers that plot."""
    summary = plan.summary
    return {
        # The page of a run cuts long lists of metadata off: what is to be read comes first.
        "review": MetadataValue.md(_review(plan)),
        "plan_id": MetadataValue.text(plan.id),
        "objects": MetadataValue.int(summary.to_do),
        "size_bytes": MetadataValue.int(summary.size_bytes),
        "requests": MetadataValue.int(summary.requests),
        "usd": MetadataValue.float(summary.usd),
    }


def report_metadata(report: Report) -> Mapping[str, MetadataValue]:
    """What became of the plan: failures by reason as a page, and numbers that plot."""
    return {
        "report": MetadataValue.md(_report(report)),
        "plan_id": MetadataValue.text(report.plan.id),
        "done": MetadataValue.int(report.done),
        "skipped": MetadataValue.int(report.skipped),
        "failed": MetadataValue.int(report.failed),
        "left": MetadataValue.int(report.left),
        "done_bytes": MetadataValue.int(report.done_bytes),
    }


def _review(plan: Plan) -> str:
    summary = plan.summary
    first = (
        f"**{plan.action}** {summary.to_do:,} of {counted(summary.objects, 'object')} "
        f"({human_bytes(summary.size_bytes)}) of {_text(plan.source_id)}"
        f"{f' to {_text(plan.target)}' if plan.target else ''}"
    )
    told = ", ".join(f"{name}={value}" for name, value in plan.params.items() if value)
    facts = {
        "plan": plan.id,
        "selection": plan.selection,
        # An undo is told nothing but which plan it takes back.
        "options": "" if plan.undoes else told,
        "requests": f"{summary.requests:,} (about ${summary.usd:,.4f} on AWS)"
        if summary.requests
        else "",
        "made by": plan.created_by,
        "reason": plan.reason,
    }
    return "\n".join([first, "", *_facts(facts), *_notes(plan), *_classes(plan), *_samples(plan)])


def _notes(plan: Plan) -> list[str]:
    rows = [
        (f.name, f"{f.objects:,}", f.meaning, ", ".join(f.examples)) for f in plan.summary.flags
    ]
    columns = ("note", "objects", "meaning", "for example")
    return _table("What is worth knowing", columns, rows)


def _classes(plan: Plan) -> list[str]:
    rows = [
        (c.storage_class, f"{c.objects:,}", human_bytes(c.size_bytes)) for c in plan.summary.classes
    ]
    return _table("By storage class", ("storage class", "objects", "size"), rows)


def _samples(plan: Plan) -> list[str]:
    samples, all_of_them = plan.summary.samples, plan.summary.objects
    title = "The objects" if len(samples) == all_of_them else f"The first {len(samples):,}"
    if plan.target is None:
        return _table(title, ("key",), [(key,) for key, _ in samples])
    rows = [(key, target or "(it is skipped)") for key, target in samples]
    return _table(title, ("key", "target"), rows)


def _report(report: Report) -> str:
    parts = [f"{counted(report.done, 'object')} done ({human_bytes(report.done_bytes)})"]
    others = {"skipped": report.skipped, "failed": report.failed, "left": report.left}
    parts += [f"{objects:,} {outcome}" for outcome, objects in others.items() if objects]
    first = f"**{report.plan.action}** of {_text(report.plan.source_id)}: {', '.join(parts)}"
    compared = [
        f"{objects:,} {_PRECONDITIONS.get(name, name)}"
        for name, objects in report.preconditions.items()
    ]
    facts = {
        "plan": report.plan.id,
        "compared with the plan": ", ".join(compared),
        "applied by": report.applied_by or "",
        "last outcome": f"{report.last_at:%Y-%m-%d %H:%M:%S} UTC" if report.last_at else "",
    }
    reasons = [
        (r.outcome, r.error, f"{r.objects:,}", r.detail, ", ".join(r.examples))
        for r in report.reasons
    ]
    columns = ("outcome", "reason", "objects", "detail", "for example")
    table = _table("What was not done", columns, reasons)
    return "\n".join([first, "", *_facts(facts), *table])


def _facts(facts: Mapping[str, str]) -> list[str]:
    """One line each; what is empty is left out."""
    lines = [f"- {name}: {_text(value)}" for name, value in facts.items() if value]
    return [*lines, ""] if lines else []


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table with its title before it: two of them would run into each other."""
    if not rows:
        return []
    aligned = ["---:" if name in ("objects", "size") else "---" for name in columns]
    return [
        f"**{title}**",
        "",
        f"| {' | '.join(columns)} |",
        f"| {' | '.join(aligned)} |",
        *(f"| {' | '.join(map(_text, row))} |" for row in rows),
        "",
    ]


def _text(text: str) -> str:
    """A text of strangers: nothing of it may be taken for Markdown or for a column."""
    shown = printable(text).replace("\\", "\\\\")
    return "".join(f"&#{ord(c)};" if c in "|<>&`*_[]!#~" else c for c in shown)
