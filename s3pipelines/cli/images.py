"""`s3pipelines images …`: what is made of the images of a source."""

from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.image_output import print_report
from s3pipelines.cli.output import json_option
from s3pipelines.cli.progress import progress_bar
from s3pipelines.cli.selection import chosen_selection, selection_options, warn_of_unknown_keys

if TYPE_CHECKING:
    from s3pipelines.core.imaging.report import Report
    from s3pipelines.core.imaging.wishes import Kind
    from s3pipelines.core.sql.selection import Selection

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
    """The images of a source: headers, thumbnails, pyramids and conversions.

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


@images.command()
@_source
@selection_options
@_again
@json_option
@click.pass_obj
def pyramids(context: CliContext, **options: Any) -> int:
    """Make a tiled pyramid TIFF of each image, as the source wants it (see 'sources update').

    Each is compared with its image before it appears under its key.
    """
    return _derive(context, "pyramid", **options)


def _derive(
    context: CliContext,
    kind: "Kind",
    source_id: str,
    again: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> int:
    selection = chosen_selection(options)
    unknown = warn_of_unknown_keys(context, source_id, selection)
    report = _made(context, kind, source_id, selection, _reasons(again))
    print_report(source_id, report, as_json)
    return SOME_FAILED if report.failures or unknown else 0


def _made(
    context: CliContext,
    kind: "Kind",
    source_id: str,
    selection: "Selection",
    again: frozenset[str] = frozenset(),
) -> "Report":
    from s3pipelines.cli.reporting import report_derived
    from s3pipelines.core.imaging.missing import count_missing
    from s3pipelines.core.imaging.pool import DecodePool
    from s3pipelines.core.imaging.wishes import LIMITS, work_on
    from s3pipelines.core.imaging.work import run
    from s3pipelines.core.sources.registry import get_source

    source = get_source(context.catalog, source_id)
    work = work_on(source, kind, selection=selection, again=again)
    with DecodePool(LIMITS[kind]) as pool:
        total = count_missing(context.catalog, work, pool.reader_version)
        with progress_bar(f"{kind}s", total) as advance:
            report = run(context.catalog, work, pool=pool, progress=lambda r: advance(r.objects))
        report_derived(context, work, pool, report)
    return report


def _reasons(given: tuple[str, ...]) -> frozenset[str]:
    from s3pipelines.core.errors import InvalidInput
    from s3pipelines.core.imaging.outcomes import REASONS

    if unknown := sorted(set(given) - REASONS):
        raise InvalidInput(
            f"There is no reason {unknown[0]!r}.",
            hint=f"The reasons are {', '.join(sorted(REASONS))}.",
        )
    return frozenset(given)


@images.command()
@_source
@json_option
@click.pass_obj
def quarantine(context: CliContext, source_id: str, as_json: bool) -> int:
    """List what could not be made of the objects as they are: why, how often, when again."""
    from s3pipelines.cli.image_output import print_failing
    from s3pipelines.core.imaging.quarantine import failing

    found = failing(context.catalog, source_id)
    print_failing(source_id, found, as_json)
    return SOME_FAILED if found else 0


@images.command()
@_source
@selection_options
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="header, thumbnail or pyramid; may be repeated. By default all that the source asks for.",
)
@click.option("--now", is_flag=True, help="Make them here and now, not with the next run.")
@json_option
@click.pass_obj
def rerun(
    context: CliContext,
    source_id: str,
    kinds: tuple[str, ...],
    now: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Make headers, thumbnails or pyramids again, whether or not they were made well."""
    from s3pipelines.cli.image_output import print_asked, print_reports
    from s3pipelines.core.imaging.rerun import ask_again, chosen_kinds
    from s3pipelines.core.sources.registry import get_source

    source = get_source(context.catalog, source_id)
    chosen = chosen_kinds(source, kinds)
    selection = chosen_selection(options)
    unknown = warn_of_unknown_keys(context, source_id, selection)
    objects = ask_again(context.catalog, source_id, chosen, selection)
    if not now:
        print_asked(source_id, objects, chosen, as_json)
        return SOME_FAILED if unknown else 0
    reports: dict[Kind, Report] = {}
    for kind in chosen:
        reports[kind] = _made(context, kind, source_id, selection)
    print_reports(source_id, reports, as_json)
    failed = any(report.failures for report in reports.values())
    return SOME_FAILED if failed or unknown else 0
