"""How long ago, as people type it: `30d`, `12h`."""

import re
from datetime import timedelta

import click

_AGE = re.compile(r"(\d{1,6})([dh])")


class Age(click.ParamType):
    """Days or hours, as a `timedelta`."""

    name = "age"

    def convert(
        self,
        value: str | timedelta,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        """What was typed; click also converts defaults."""
        if isinstance(value, timedelta):
            return value
        told = _AGE.fullmatch(value)
        if told is None:
            self.fail(f"{value!r} is neither days nor hours, such as 30d or 12h.", param, ctx)
        number = int(told[1])
        return timedelta(days=number) if told[2] == "d" else timedelta(hours=number)
