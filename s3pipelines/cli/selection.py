"""The options that say which objects of a source, the same for every command that takes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.core.errors import InvalidInput, printable
from s3pipelines.core.sql.key_lists import KeyList, read_batch_manifest, read_keys
from s3pipelines.core.sql.selection import Selection, unknown_keys

_OPTIONS = (
    click.option("--where", metavar="SQL", help="A condition over the columns of 'objects'."),
    click.option("--regex", metavar="R", help="Part of the key, below the prefix, matches (RE2)."),
    click.option("--glob", metavar="G", help="The key below the prefix matches; * also takes /."),
    click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N objects."),
    click.option(
        "--keys-from",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="The full keys in this text file, one a line.",
    ),
    click.option(
        "--manifest",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="The keys in this CSV manifest of S3 Batch Operations.",
    ),
)
_MOST_EXAMPLES = 3


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a selection to a command, which gets them as keyword arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_selection(options: dict[str, Any]) -> Selection:
    """The selection that the options describe.

    Raises:
        InvalidInput: The file of keys cannot be read, or two are given.
    """
    listed = _listed(options.pop("keys_from"), options.pop("manifest"))
    if listed is None:
        return Selection(**options)
    return Selection(**options, keys=listed.keys, bucket=listed.bucket)


def _listed(keys_from: Path | None, manifest: Path | None) -> KeyList | None:
    if keys_from is not None and manifest is not None:
        raise InvalidInput("--keys-from and --manifest both list keys.", hint="Give one of them.")
    if keys_from is not None:
        return read_keys(keys_from)
    return read_batch_manifest(manifest) if manifest is not None else None


def warn_of_unknown_keys(context: CliContext, source_id: str, selection: Selection) -> int:
    """Name listed keys that the index does not have, and return how many those are."""
    unknown = unknown_keys(context.catalog, source_id, selection)
    if unknown:
        examples = ", ".join(repr(printable(key)) for key in unknown[:_MOST_EXAMPLES])
        click.echo(
            f"Warning: {len(unknown):,} of the listed keys are not in the index of {source_id!r}: "
            f"{examples}{' …' if len(unknown) > _MOST_EXAMPLES else ''}",
            err=True,
        )
    return len(unknown)
