"""`s3pipelines images verify` and `images orphans`: what was made is still right, and wanted."""

from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.images import SOME_FAILED
from s3pipelines.cli.images_convert import images
from s3pipelines.cli.output import json_option
from s3pipelines.cli.progress import progress_bar
from s3pipelines.cli.selection import chosen_selection, selection_options, warn_of_unknown_keys

if TYPE_CHECKING:
    from s3pipelines.core.imaging.audit import Audit
    from s3pipelines.core.imaging.orphans import Orphans
    from s3pipelines.core.imaging.wishes import Kind
    from s3pipelines.core.sql.selection import Selection

_source = click.option("--source", "source_id", required=True, metavar="ID", help="The source.")
_AUDITED = ("pyramid", "convert")


@images.command()
@_source
@selection_options
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(_AUDITED),
    help="pyramid or convert; may be repeated. By default both.",
)
@json_option
@click.pass_obj
def verify(
    context: CliContext, source_id: str, kinds: tuple[str, ...], as_json: bool, **options: Any
) -> int:
    """Fetch pyramids and conversions of a source, reopen them, and compare them with their rows.

    Those that are gone or changed are listed, and the exit status is 1; 'images rerun' makes
    pyramids again, and a new plan what was converted.
    """
    from s3pipelines.cli.image_output import print_audits

    selection = chosen_selection(options)
    unknown = warn_of_unknown_keys(context, source_id, selection)
    done = {
        kind: _AUDITS[kind](context, source_id, selection)
        for kind in _AUDITED
        if kind in (kinds or _AUDITED)
    }
    print_audits(source_id, done, as_json)
    faulty = any(audit.faults for audit in done.values())
    return SOME_FAILED if faulty or unknown else 0


def _pyramids(context: CliContext, source_id: str, selection: "Selection") -> "Audit":
    from s3pipelines.core.imaging.audit import audit, count_made
    from s3pipelines.core.imaging.pool import DecodePool
    from s3pipelines.core.imaging.wishes import LIMITS, work_on
    from s3pipelines.core.sources.registry import get_source

    source = get_source(context.catalog, source_id)
    work = work_on(source, "pyramid", selection=selection)
    with DecodePool(LIMITS["pyramid"]) as pool:
        total = count_made(context.catalog, work)
        with progress_bar("pyramids", total) as advance:
            return audit(context.catalog, work, pool, progress=advance)


def _conversions(context: CliContext, source_id: str, selection: "Selection") -> "Audit":
    from s3pipelines.core.imaging.conversion.audit import audit_conversions, count_conversions
    from s3pipelines.core.imaging.pool import DecodePool

    where = context.catalog
    with DecodePool() as pool:
        total = count_conversions(where, source_id, selection)
        with progress_bar("conversions", total) as advance:
            return audit_conversions(where, source_id, selection, pool, progress=advance)


_AUDITS = {"pyramid": _pyramids, "convert": _conversions}


@images.command()
@_source
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(("thumbnail", "pyramid")),
    help="thumbnail or pyramid; may be repeated. By default both.",
)
@click.option("--remove", is_flag=True, help="Remove them; without it they are only counted.")
@json_option
@click.pass_obj
def orphans(context: CliContext, source_id: str, kinds: Any, remove: bool, as_json: bool) -> int:
    """Thumbnails and pyramids whose object is no longer in the index: how many, and away with them.

    What an object has that is there stays, and what is removed is made again if its object comes
    back. Killed, it goes on when it is repeated. What was converted is never touched.
    """
    from s3pipelines.cli.image_output import print_orphans, print_removal
    from s3pipelines.core.imaging.orphans import FILE_KINDS, orphans_of
    from s3pipelines.core.imaging.removing import remove_orphans
    from s3pipelines.core.sources.registry import get_source

    where = context.catalog
    get_source(where, source_id)
    chosen: list[Kind] = [kind for kind in FILE_KINDS if kind in (kinds or FILE_KINDS)]
    found: dict[Kind, Orphans] = {kind: orphans_of(where, source_id, kind) for kind in chosen}
    if not remove:
        print_orphans(source_id, found, as_json)
        return 0
    with progress_bar("orphans", sum(one.files for one in found.values())) as advance:
        done = remove_orphans(where, source_id, chosen, progress=advance)
    print_removal(source_id, done, as_json)
    return SOME_FAILED if done.left else 0
