"""`s3pipelines doctor`: what is well, what is not, and how to mend it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import json_option, print_json, print_table

if TYPE_CHECKING:
    from s3pipelines.core.doctor.findings import Finding

EXIT_FAILED = 1
_MARKS = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "–"}  # noqa: RUF001


@click.command()
@json_option
@click.pass_obj
def doctor(context: CliContext, as_json: bool) -> int:
    """Check credentials, buckets, permissions, the queue and this machine.

    Says of each that fails how to mend it. Exit status 1 if something failed; warnings are 0.
    """
    from s3pipelines.core.doctor.examination import examine

    findings = examine(context.catalog, context.settings.upload_queue_url)
    failed = any(finding.state == "failed" for finding in findings)
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        print_table(["", "area", "what", ""], _lines(findings))
        click.echo(_summary(findings))
    return EXIT_FAILED if failed else 0


def _lines(findings: "list[Finding]") -> "Iterator[tuple[str, str, str, str]]":
    area = None
    for finding in findings:
        shown = finding.area if finding.area != area else ""
        area = finding.area
        yield _MARKS[finding.state], shown, finding.name, finding.detail
        if finding.hint:
            yield "", "", "", f"→ {finding.hint}"


def _summary(findings: "list[Finding]") -> str:
    states = [finding.state for finding in findings]
    counts = [f"{states.count(state)} {state}" for state in _MARKS if state in states]
    return ", ".join(counts) + "."
