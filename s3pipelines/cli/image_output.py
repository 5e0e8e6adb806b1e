"""What the commands of `s3pipelines images` print."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from s3pipelines.cli.output import print_fields, print_json, print_table
from s3pipelines.core.preview.wording import human_bytes

if TYPE_CHECKING:
    from s3pipelines.core.imaging.audit import Audit
    from s3pipelines.core.imaging.quarantine import Failing
    from s3pipelines.core.imaging.report import Report
    from s3pipelines.core.imaging.wishes import Kind

_MOST_ROWS = 100


def print_report(source_id: str, report: "Report", as_json: bool) -> None:
    """What a run did, and examples of what failed."""
    if as_json:
        print_json({"source": source_id, **_as_json(report)})
        return
    fields = _fields(report)
    sizes = {name: human_bytes(int(fields[name])) for name in ("bytes_read", "bytes_written")}
    print_fields({"source": source_id, **fields, **sizes})
    if report.examples:
        rows = [(example.reason, example.key, example.detail) for example in report.examples]
        print_table(["reason", "key", "detail"], rows)
        if report.failures > len(rows):
            click.echo(f"{len(rows)} of {report.failures:,}; all are in the table.")


def print_reports(source_id: str, reports: Mapping["Kind", "Report"], as_json: bool) -> None:
    """What several runs did, one of each kind."""
    if as_json:
        made = {kind: _as_json(report) for kind, report in reports.items()}
        print_json({"source": source_id, "kinds": made})
        return
    for kind, report in reports.items():
        click.echo(f"{kind}s")
        print_report(source_id, report, as_json)


def _fields(report: "Report") -> dict[str, float]:
    return {
        "made": report.made,
        "failed": report.failures,
        "archived": report.archived,
        "no_images": report.no_images,
        "bytes_read": report.bytes_read,
        "bytes_written": report.bytes_written,
        "duration_s": round(report.duration_s, 3),
        "images_per_s": round(report.images_per_s, 1),
    }


def _as_json(report: "Report") -> dict[str, object]:
    failures = [vars(example) for example in report.examples]
    return {**_fields(report), "reasons": dict(report.failed), "failures": failures}


def print_audit(source_id: str, done: "Audit", as_json: bool) -> None:
    """What came of looking at files again."""
    faults = [vars(fault) for fault in done.faults]
    fields = {"source": source_id, "files": done.files, "faults": len(faults)}
    if as_json:
        print_json({**fields, "size_bytes": done.size_bytes, "faulty": faults})
        return
    print_fields({**fields, "size": human_bytes(done.size_bytes)})
    if faults:
        columns = ["key", "fault", "uri"]
        print_table(columns, [[fault[name] for name in columns] for fault in faults[:_MOST_ROWS]])
        _say_more(len(faults))
        click.echo(f"Next: s3pipelines images rerun --source {source_id} --kind pyramid --now")


def print_failing(source_id: str, found: Sequence["Failing"], as_json: bool) -> None:
    """What could not be made."""
    rows = [{**vars(one), "again": one.again} for one in found]
    if as_json:
        print_json({"source": source_id, "failing": rows})
        return
    if not rows:
        click.echo(f"{source_id}: nothing that was tried has failed.")
        return
    columns = ["kind", "reason", "attempts", "key", "detail", "again"]
    print_table(columns, [[row[name] for name in columns] for row in rows[:_MOST_ROWS]])
    _say_more(len(rows))


def print_asked(source_id: str, objects: int, kinds: Sequence[str], as_json: bool) -> None:
    """What is to be made again."""
    if as_json:
        print_json({"source": source_id, "objects": objects, "kinds": list(kinds)})
        return
    click.echo(
        f"{source_id}: {objects:,} objects are worked on again ({', '.join(kinds)}) by the next "
        "run: of the sensor, or for daily pyramids of the schedule. With --now, at once."
    )


def _say_more(count: int) -> None:
    if count > _MOST_ROWS:
        click.echo(f"{_MOST_ROWS} of {count:,}; with --json, all of them.")
