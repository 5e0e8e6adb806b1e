"""Commands whose modules are imported when somebody asks for them: all of them take a second."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
from click.exceptions import NoSuchCommand


@dataclass(frozen=True)
class OnDemand:
    """Where a command is: `module:name`, and what it does, in a line."""

    place: str
    summary: str

    def load(self) -> click.Command:
        """Import it."""
        module, _, name = self.place.partition(":")
        return getattr(import_module(module), name)


class OnDemandGroup(click.Group):
    """A group that imports no command but the one that is run.

    Args:
        on_demand: The commands, by the name that people type.
    """

    def __init__(self, *arguments: Any, on_demand: Mapping[str, OnDemand], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._on_demand = dict(sorted(on_demand.items()))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Their names."""
        return list(self._on_demand)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, imported now."""
        found = self._on_demand.get(cmd_name)
        return found and found.load()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name; of a misspelt one, what may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            raise NoSuchCommand(
                error.command_name, possibilities=self._on_demand, ctx=ctx
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """What each does, for which none has to be imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.summary) for name, one in self._on_demand.items()])
