"""Which objects the `data` commands mean: `--ids`, or a selection as everywhere."""

from collections.abc import Callable
from typing import Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.selection import chosen_selection, selection_options, warn_of_unknown_keys
from s3pipelines.core.sql.selection import Selection


def member_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--ids` and the selection to a command, which gets them as keyword arguments."""
    command = click.argument("more_ids", nargs=-1, metavar="[KEY…]")(command)
    command = selection_options(command)
    return click.option(
        "--ids",
        multiple=True,
        metavar="KEY…",
        help="Only these keys, relative to the source's prefix.",
    )(command)


def chosen_members(
    context: CliContext, name: str, options: dict[str, Any]
) -> tuple[Selection, int]:
    """The selection that the options describe, and how many of the listed keys there are not.

    Args:
        context: The invocation.
        name: The source, or `ID@VERSION`.
        options: Those of `member_options`, which are taken out.

    Raises:
        InvalidInput: They contradict each other.
    """
    from s3pipelines.core.datasets.states import split_name
    from s3pipelines.core.sources.registry import get_source

    ids, more = options.pop("ids"), options.pop("more_ids")
    if more and not ids:
        raise click.UsageError(f"Unexpected argument {more[0]!r}: write --ids before keys.")
    if not ids:
        selection = chosen_selection(options)
    elif any(value is not None for value in options.values()):
        raise click.UsageError("--ids goes with no other selection.")
    else:
        prefix = get_source(context.catalog, split_name(name)[0]).prefix
        selection = Selection(keys=frozenset(prefix + one for one in (*ids, *more)))
    return selection, warn_of_unknown_keys(context, name, selection)
