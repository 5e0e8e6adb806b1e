"""`s3pipelines sql`: ask the catalog's tables, at once or in an interactive prompt."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from s3pipelines.cli.context import CliContext
from s3pipelines.cli.output import json_option

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from s3pipelines.core.sql.session import Session

FORMATS = ("table", "csv", "json", "parquet")
HISTORY = Path(".s3pipelines") / "sql_history"


@click.command()
@click.argument("statement", required=False)
@click.option(
    "--format",
    "chosen_format",
    type=click.Choice(FORMATS),
    help="How to print; by default a table, or what the ending of --output says.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to this file; it is there whole or not at all.",
)
@click.option(
    "--max-rows",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    help="Most rows of a table.",
)
@json_option
@click.pass_obj
def sql(
    context: CliContext,
    statement: str | None,
    chosen_format: str | None,
    output: Path | None,
    max_rows: int,
    as_json: bool,
) -> None:
    """Ask the catalog's tables in SQL (DuckDB's); it reads and changes nothing.

    Without a STATEMENT it is read from standard input, or typed at a prompt.

    \b
    s3pipelines sql "SHOW TABLES"
    s3pipelines sql "DESCRIBE objects"
    s3pipelines sql "SELECT extension, count(*) FROM objects GROUP BY ALL"
    s3pipelines sql "FROM objects WHERE source = 'maps'" --output maps.parquet
    """  # noqa: D301 - click wants the character itself
    kind = _format(chosen_format, output, as_json)
    if statement is None and sys.stdin.isatty():
        if (kind, output) != ("table", None):
            raise click.UsageError("Give a statement: the prompt prints tables only.")
        _prompt(context, max_rows)
        return
    if statement in (None, "-"):
        statement = sys.stdin.read()
    try:
        with _session(context) as session:
            _answer(session, statement or "", kind, output, max_rows)
    except BrokenPipeError:
        _forget_stdout()  # `| head` has what it wanted.


def _format(chosen: str | None, output: Path | None, as_json: bool) -> str:
    if as_json:
        if chosen not in (None, "json"):
            raise click.UsageError(f"--json and --format {chosen} exclude each other.")
        return "json"
    if chosen is None and output is not None:
        chosen = output.suffix.lower().removeprefix(".")
        if chosen not in FORMATS:
            raise click.UsageError("Say with --format what to write, or name it .csv, .json …")
    if chosen == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal: add --output FILE.")
    return chosen or "table"


def _session(context: CliContext) -> "AbstractContextManager[Session]":
    from s3pipelines.core.sources.registry import sources_table
    from s3pipelines.core.sql.session import open_session

    return open_session(context.catalog, sources_table(context.catalog))


def _answer(
    session: "Session", statement: str, kind: str, output: Path | None, max_rows: int
) -> None:
    from s3pipelines.cli.sql_table import print_rows
    from s3pipelines.core.sql.formats import WRITERS
    from s3pipelines.core.storage.whole_files import whole_file

    if output is not None:
        with whole_file(output) as part:
            reader = session.run(statement)
            if kind == "table":
                with part.open("w", encoding="utf-8") as text:
                    print_rows(reader, max_rows, text)
            else:
                with part.open("wb") as file:
                    WRITERS[kind](reader, file)
    elif kind == "table":
        print_rows(session.run(statement), max_rows, sys.stdout)
    else:
        WRITERS[kind](session.run(statement), sys.stdout.buffer)
        sys.stdout.flush()


def _prompt(context: CliContext, max_rows: int) -> None:
    from s3pipelines.cli.sql_prompt import run_prompt

    run_prompt(lambda: _session(context), HISTORY, max_rows)


def _forget_stdout() -> None:
    """Python flushes standard output once more at its end, and would complain then."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
