"""Writes docs/reference/: the command line, the tables and the settings, from the code itself.

`make docs` runs it; a test compares its result with what is committed.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from pydantic_core import PydanticUndefined

from s3pipelines.cli import cli
from s3pipelines.core.catalog.schemas import TABLES, TableSchema
from s3pipelines.core.catalog.views import latest_only
from s3pipelines.core.sql.views import VIEWS, SqlView
from s3pipelines.settings import Settings

REFERENCE = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by `make docs`; do not edit. -->\n"


def pages() -> dict[str, str]:
    """The text of each page, by file name."""
    return {
        "cli.md": command_line(),
        "tables.md": tables(),
        "settings.md": settings(),
    }


def command_line() -> str:
    """The help of every command, as the terminal shows it."""
    sections = [
        f"## `{path}`\n\n```text\n{_help(command, path)}\n```\n" for path, command in _commands()
    ]
    return _page(
        "Command line",
        "Exit status: 0 all well; 1 some objects failed; 2 bad usage or refused; 130 interrupted.",
        sections,
    )


def tables() -> str:
    """The columns of every table and view."""
    intro = (
        "Delta Lake tables in `<catalog>/tables/`, partitioned by `source`; the same columns in "
        "the views of `s3pipelines sql`. Never read their Parquet files by a glob: stale files "
        "lie beside the current ones (see [SQL](../sql.md))."
    )
    about_views = (
        "## Views\n\nOnly in `s3pipelines sql` and the resource `duckdb`; computed from `objects` "
        "when they are asked.\n"
    )
    views = [_view(view) for view in VIEWS]
    return _page("Tables", intro, [*map(_table, TABLES), about_views, *views])


def settings() -> str:
    """Every setting, its meaning and its default."""
    rows = ["| name | meaning | default |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, PydanticUndefined) else f"`{field.default}`"
        rows.append(f"| `S3PIPELINES_{name.upper()}` | {field.description} | {default} |")
    intro = (
        "Environment variables, or lines of a `.env` file in the current folder; all are "
        "optional. AWS credentials, regions and endpoints come from the standard AWS chain "
        "(`AWS_PROFILE`, `AWS_REGION`, `AWS_ENDPOINT_URL_S3`, roles …)."
    )
    return _page("Settings", intro, ["\n".join(rows) + "\n"])


def _page(title: str, intro: str, sections: list[str]) -> str:
    return f"# {title}\n{_NOTE}\n{intro}\n\n" + "\n".join(sections)


def _commands() -> Iterator[tuple[str, click.Command]]:
    yield "s3pipelines", cli
    for name, command in sorted(cli.commands.items()):
        yield f"s3pipelines {name}", command
        if isinstance(command, click.Group):
            for child, subcommand in sorted(command.commands.items()):
                yield f"s3pipelines {name} {child}", subcommand


def _help(command: click.Command, path: str) -> str:
    context = click.Context(command, info_name=path, terminal_width=100, **cli.context_settings)
    return command.get_help(context).rstrip()


def _view(view: SqlView) -> str:
    rows = [f"## `{view.name}`\n", view.description, ""]
    rows += ["| column | type | meaning |", "|---|---|---|"]
    rows += [f"| `{c.name}` | `{c.type}` | {c.description} |" for c in view.columns]
    return "\n".join(rows) + "\n"


def _table(schema: TableSchema) -> str:
    identity = ", ".join(f"`{name}`" for name in schema.identity)
    rows = [f"## `{schema.name}`\n", schema.description]
    rows += [f"Schema version {schema.version}; a row is identified by {identity}."]
    if schema.latest_by is not None:
        latest = f"the one with the latest `{schema.latest_by}`"
        rows.append(
            f"The table is only appended to: of several rows of one identity {latest} holds, "
            f"and the view shows only that. In other readers: `{latest_only(schema)}`."
        )
    rows += [""]
    rows += ["| column | type | null | meaning |", "|---|---|---|---|"]
    for column in schema.columns:
        null = "yes" if column.nullable else ""
        rows.append(f"| `{column.name}` | `{column.type}` | {null} | {column.description} |")
    if schema.user_columns:
        rows.append("| … | | yes | The columns of the files that were given. |")
    return "\n".join(rows) + "\n"


def main(folder: Path = REFERENCE) -> None:
    """Write the pages into a folder."""
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
