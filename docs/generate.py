"""Writes docs/reference/: the command line, the tables and the settings, from the code itself.

`make docs` runs it; a test compares its result with what is committed.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic_core import PydanticUndefined

from s3pipelines.cli import cli
from s3pipelines.core.catalog.schemas import TABLES, TableSchema
from s3pipelines.core.catalog.views import latest_only
from s3pipelines.core.imaging.conversion.outputs import OUTPUTS
from s3pipelines.core.imaging.conversion.recipe import ConversionRecipe
from s3pipelines.core.imaging.conversion.steps import STEPS
from s3pipelines.core.imaging.conversion.told import Told
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
        "recipes.md": recipes(),
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


def recipes() -> str:
    """Every step, format and field of a recipe of `images convert`."""
    intro = (
        "What `images convert --recipe FILE`, `batch plan convert` and the job `convert_images` "
        "are told, in YAML or JSON ([how](../converting.md)). Colours are `#rrggbb`, "
        "`#rrggbbaa`, or a name such as `white` or `transparent`."
    )
    whole = _told("The recipe", ConversionRecipe, leave=frozenset())
    steps = [_told(f"Step `{name}`", kind, main=kind.main) for name, kind in STEPS.items()]
    outputs = [
        _told(f"Format `{name}`", kind, leave=frozenset({"format"}))
        for name, kind in OUTPUTS.items()
    ]
    return _page("Recipes", intro, [whole, *steps, *outputs])


def _told(
    title: str, kind: type[Told], *, leave: frozenset[str] = frozenset(), main: str | None = None
) -> str:
    rows = [f"## {title}\n", (kind.__doc__ or "").replace("\n    ", "\n").strip(), ""]
    if main is not None:
        rows += [f"A plain value in place of the fields is `{main}`.", ""]
    rows += ["| field | meaning | values | default |", "|---|---|---|---|"]
    schema = kind.model_json_schema(mode="validation") if kind is not ConversionRecipe else {}
    for name, field in kind.model_fields.items():
        if name in leave:
            continue
        values = _values(schema.get("properties", {}).get(name, {}))
        plain = isinstance(field.default, bool | int | float | str)
        default = f"`{str(field.default).lower()}`" if plain else ""
        required = "required" if field.is_required() else default
        rows.append(f"| `{name}` | {field.description} | {values} | {required} |")
    return "\n".join(rows).rstrip() + "\n"


def _values(schema: dict[str, Any]) -> str:
    """Which values a field can have, as its JSON schema says."""
    one = next((part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"), {})
    if "enum" in one:
        return ", ".join(f"`{value}`" for value in one["enum"])
    least, most = one.get("minimum", one.get("exclusiveMinimum")), one.get("maximum")
    between = "" if least is None else f" from {least:g}"
    if most is not None:
        between = f" {least:,g} to {most:,g}"
    kind = {"boolean": "true or false", "integer": "whole number", "string": "text"}
    name = str(one.get("type", ""))
    return kind.get(name, name) + between


def _page(title: str, intro: str, sections: list[str]) -> str:
    return f"# {title}\n{_NOTE}\n{intro}\n\n" + "\n".join(sections)


def _commands() -> Iterator[tuple[str, click.Command]]:
    yield "s3pipelines", cli
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
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
