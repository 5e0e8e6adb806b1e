"""What the commands of `s3pipelines images` print."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from s3pipelines.cli.output import print_fields, print_json, print_table
from s3pipelines.core.preview.wording import human_bytes

if TYPE_CHECKING:
    from s3pipelines.core.imaging.audit import Audit
    from s3pipelines.core.imaging.orphans import Orphans
    from s3pipelines.core.imaging.quarantine import Failing
    from s3pipelines.core.imaging.removing import Removal
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


def print_audits(source_id: str, done: Mapping[str, "Audit"], as_json: bool) -> None:
    """What came of looking at files again, by kind."""
    faults = [
        {"kind": kind, **vars(fault)} for kind, audit in done.items() for fault in audit.faults
    ]
    files = {kind: audit.files for kind, audit in done.items()}
    fields = {"source": source_id, "files": sum(files.values()), "faults": len(faults)}
    size_bytes = sum(audit.size_bytes for audit in done.values())
    if as_json:
        print_json({**fields, "size_bytes": size_bytes, "kinds": files, "faulty": faults})
        return
    told = ", ".join(f"{count:,} {kind}" for kind, count in files.items())
    print_fields({**fields, "kinds": told, "size": human_bytes(size_bytes)})
    if not faults:
        return
    columns = ["kind", "key", "fault", "uri"]
    print_table(columns, [[fault[name] for name in columns] for fault in faults[:_MOST_ROWS]])
    _say_more(len(faults))
    if any(fault["kind"] == "pyramid" for fault in faults):
        click.echo(f"Next: s3pipelines images rerun --source {source_id} --kind pyramid --now")
    if any(fault["kind"] == "convert" for fault in faults):
        click.echo(f"Next: s3pipelines images convert --source {source_id} …, with a new plan")


def print_orphans(source_id: str, found: Mapping["Kind", "Orphans"], as_json: bool) -> None:
    """What is left of deleted objects."""
    if as_json:
        kinds = {kind: vars(one) for kind, one in found.items()}
        print_json({"source": source_id, "removed": False, "kinds": kinds})
        return
    if not any(one.files for one in found.values()):
        click.echo(f"{source_id}: nothing is left of deleted objects.")
        return
    sizes = {kind: human_bytes(one.size_bytes) for kind, one in found.items()}
    rows = [(kind, one.files, sizes[kind], one.example) for kind, one in found.items()]
    print_table(["kind", "files", "size", "example"], rows)
    click.echo(f"Next: s3pipelines images orphans --source {source_id} --remove")


def print_removal(source_id: str, done: "Removal", as_json: bool) -> None:
    """What was removed, and what could not be."""
    left = [vars(one) for one in done.left]
    if as_json:
        fields = {"source": source_id, "removed": True, "files": done.files}
        print_json({**fields, "size_bytes": done.size_bytes, "left": left})
        return
    size = human_bytes(done.size_bytes)
    print_fields({"source": source_id, "files": done.files, "size": size, "left": len(left)})
    if left:
        print_table(["uri", "why"], [[one["uri"], one["why"]] for one in left[:_MOST_ROWS]])
        _say_more(len(left))


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
