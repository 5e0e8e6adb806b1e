"""`s3pipelines objects …`: what the index has of a source."""

from typing import TYPE_CHECKING, Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import json_option, print_json, print_table
from s3pipelines.cli.selection import chosen_selection, selection_options, warn_of_unknown_keys
from s3pipelines.core.preview.wording import counted, human_bytes

if TYPE_CHECKING:
    from s3pipelines.core.sql.object_pages import ObjectsPage
    from s3pipelines.core.sql.places import Order

SOME_FAILED = 1
DEFAULT_LIMIT = 50
_SHOWN = ("key", "size_bytes", "last_modified", "storage_class", "etag")


@click.group()
def objects() -> None:
    """The objects of a source, as the index has them."""


@objects.command(name="list")
@click.option(
    "--source",
    "source_id",
    required=True,
    metavar="ID[@VERSION]",
    help="The source, or a version of it.",
)
@selection_options
@click.option(
    "--sort", default="key", show_default=True, metavar="COL", help="A column of 'objects'."
)
@click.option("--order", type=click.Choice(["asc", "desc"]), default="asc", show_default=True)
@click.option(
    "--offset", type=click.IntRange(0), metavar="N", help="Leave out N objects; for small steps."
)
@click.option("--after", metavar="TOKEN", help="What follows the page that printed this token.")
@json_option
@click.pass_obj
def list_(
    context: CliContext,
    source_id: str,
    sort: str,
    order: "Order",
    offset: int | None,
    after: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """List objects, a page of --limit (50) at a time, in the order of any column.

    Says how many there are in all, and the token with which the next page is had. A page costs the
    same wherever it is, and none shows an object twice. The index tells; S3 is not asked.
    """
    from s3pipelines.core.sql.object_pages import ObjectsRequest, list_objects

    if offset is not None and after is not None:
        raise click.UsageError("--offset and --after exclude each other.")
    limit = options.pop("limit") or DEFAULT_LIMIT
    selection = chosen_selection({**options, "limit": None})
    request = ObjectsRequest(selection, sort, order, limit, offset or 0, after)
    unknown = warn_of_unknown_keys(context, source_id, selection)
    page = list_objects(context.catalog, source_id, request)
    if as_json:
        print_json(
            {
                "source": source_id,
                "total": page.total,
                "next": page.next_token,
                "objects": page.rows,
            }
        )
    else:
        _print(page, sort)
    return SOME_FAILED if unknown else 0


def _print(page: "ObjectsPage", sort: str) -> None:
    columns = [*_SHOWN, *(() if sort in _SHOWN else (sort,))]
    texts = {"size_bytes": human_bytes, "last_modified": _time, "indexed_at": _time}
    if page.rows:
        print_table(
            columns, [[texts.get(name, str)(row[name]) for name in columns] for row in page.rows]
        )
    shown = f"{len(page.rows):,} of {counted(page.total, 'object')}"
    if page.next_token is None:
        click.echo(f"{shown}; none follows.")
    else:
        click.echo(f"{shown}. The next page: repeat it with")
        click.echo(f"--after {page.next_token}")


def _time(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
