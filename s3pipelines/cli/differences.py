"""What differs between two states of a source, for people and for programs."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import click

from s3pipelines.cli.output import print_fields, print_json_with_rows
from s3pipelines.core.errors import printable

_MOST_KEYS = 50

limit_option = click.option(
    "--limit",
    type=click.IntRange(0),
    metavar="N",
    help=f"Print at most N keys; by default {_MOST_KEYS}, with --json all.",
)


class Differences(Protocol):
    """Objects that differ, counted by kind."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many there are of each kind."""
        ...

    @property
    def changed(self) -> int:
        """How many there are."""
        ...

    def rows(self, limit: int | None = None) -> Iterable[dict[str, Any]]:
        """The objects by key, at most `limit` of them."""
        ...


def print_differences(
    states: Mapping[str, object], found: Differences, limit: int | None, as_json: bool
) -> None:
    """Print what differs.

    Args:
        states: What was compared.
        found: What differs.
        limit: At most so many keys; None means a page of them, or all as JSON.
        as_json: For a program.
    """
    about = {**states, **found.counts}
    if as_json:
        print_json_with_rows(about, "changes", found.rows(limit))
        return
    print_fields(about)
    most = _MOST_KEYS if limit is None else limit
    for row in found.rows(most):
        click.echo(f"{row['kind']:<12} {printable(row['key'])}")
    if found.changed > most:
        click.echo(f"{most:,} of {found.changed:,}; --limit shows more, --json all.")
