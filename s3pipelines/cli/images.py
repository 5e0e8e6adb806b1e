"""`s3pipelines images …`: what is made of the images of a source."""

from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import json_option, print_fields, print_json, print_table
from s3pipelines.cli.progress import progress_bar
from s3pipelines.cli.selection import chosen_selection, selection_options, warn_of_unknown_keys
from s3pipelines.core.preview.wording import human_bytes

if TYPE_CHECKING:
    from s3pipelines.core.imaging.report import Report
    from s3pipelines.core.imaging.wishes import Kind

SOME_FAILED = 1

_source = click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
_again = click.option(
    "--again",
    multiple=True,
    metavar="REASON",
    help="Try failures of this reason once more (see the column 'error'); may be repeated.",
)


@click.group()
def images() -> None:
    """The images of a source: headers and thumbnails.

    Only what is missing is done: objects without a row in the state that they have now. Whatever
    cannot be read becomes a row with its reason; the exit status is 1 then.
    """


@images.command()
@_source
@selection_options
@_again
@json_option
@click.pass_obj
def headers(context: CliContext, **options: Any) -> int:
    """Read what images say of themselves, into the table 'images'."""
    return _derive(context, "header", **options)


@images.command()
@_source
@selection_options
@_again
@json_option
@click.pass_obj
def thumbnails(context: CliContext, **options: Any) -> int:
    """Make a WebP of at most 400 px for each image, and a row in the table 'derivatives'."""
    return _derive(context, "thumbnail", **options)


def _derive(
    context: CliContext,
    kind: "Kind",
    source_id: str,
    again: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> int:
    from s3pipelines.cli.reporting import report_derived
    from s3pipelines.core.imaging.missing import count_missing
    from s3pipelines.core.imaging.pool import DecodePool
    from s3pipelines.core.imaging.wishes import Work
    from s3pipelines.core.imaging.work import run

    selection = chosen_selection(options)
    work = Work(source_id, kind, selection=selection, again=_reasons(again))
    unknown = warn_of_unknown_keys(context, source_id, selection)
    with DecodePool() as pool:
        total = count_missing(context.catalog, work, pool.reader_version)
        with progress_bar(f"{kind}s", total) as advance:
            report = run(context.catalog, work, pool=pool, progress=lambda r: advance(r.objects))
        _print(source_id, report, as_json)
        report_derived(context, work, pool, report)
    return SOME_FAILED if report.failures or unknown else 0


def _reasons(given: tuple[str, ...]) -> frozenset[str]:
    from s3pipelines.core.errors import InvalidInput
    from s3pipelines.core.imaging.outcomes import REASONS

    if unknown := sorted(set(given) - REASONS):
        raise InvalidInput(
            f"There is no reason {unknown[0]!r}.",
            hint=f"The reasons are {', '.join(sorted(REASONS))}.",
        )
    return frozenset(given)


def _print(source_id: str, report: "Report", as_json: bool) -> None:
    fields = {
        "source": source_id,
        "made": report.made,
        "failed": report.failures,
        "archived": report.archived,
        "no_images": report.no_images,
        "bytes_read": report.bytes_read,
        "bytes_written": report.bytes_written,
        "duration_s": round(report.duration_s, 3),
        "images_per_s": round(report.images_per_s, 1),
    }
    if as_json:
        failures = [vars(example) for example in report.examples]
        print_json({**fields, "reasons": dict(report.failed), "failures": failures})
        return
    sizes = {name: human_bytes(fields[name]) for name in ("bytes_read", "bytes_written")}
    print_fields({**fields, **sizes})
    if report.examples:
        rows = [(example.reason, example.key, example.detail) for example in report.examples]
        print_table(["reason", "key", "detail"], rows)
        if report.failures > len(rows):
            click.echo(f"{len(rows)} of {report.failures:,}; all are in the table.")
