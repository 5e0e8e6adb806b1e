"""Printing: JSON for machines, plain tables for people; keys of strangers are always escaped."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from s3pipelines.core.errors import printable

_UNBOUNDED = 100_000

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(value: Any) -> None:
    """Print a value as indented JSON; times as ISO 8601."""
    click.echo(json.dumps(value, indent=2, default=_as_text, ensure_ascii=False))


def print_json_with_rows(
    fields: Mapping[str, object], name: str, rows: Iterable[Mapping[str, object]]
) -> None:
    """Print a JSON object of some fields and a list, whose rows are printed as they come."""
    text = json.dumps(fields, indent=2, default=_as_text, ensure_ascii=False)
    write = sys.stdout.write  # `echo` flushes, row by row.
    write(f"{text.removesuffix('}').rstrip()},\n  {json.dumps(name)}: [")
    before = "\n"
    for row in rows:
        write(f"{before}    {json.dumps(row, default=_as_text, ensure_ascii=False)}")
        before = ",\n"
    write("\n  ]\n}\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their column names."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(printable(str(value))) for value in row))
    # Into a pipe or a file, a line is as long as it needs to be.
    width = None if sys.stdout.isatty() else _UNBOUNDED
    Console(highlight=False, width=width).print(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        click.echo(f"{name:<{width}}  {printable(str(value))}")


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
