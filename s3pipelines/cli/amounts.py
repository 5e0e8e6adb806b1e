"""How much, as people type it: `50GB`, `2%`."""

import re

import click

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([kmgt]?)(i?)b?", re.IGNORECASE)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,12})?)(%?)")


class Size(click.ParamType):
    """A number of bytes: `1000`, `50GB` (powers of a thousand), `8MiB`."""

    name = "size"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """What was typed; click also converts defaults."""
        if isinstance(value, int):
            return value
        told = _SIZE.fullmatch(value)
        if told is None:
            self.fail(f"{value!r} is no size, such as 500MB or 2TB.", param, ctx)
        unit = 1024 if told[3] else 1000
        return int(float(told[1]) * unit ** _POWERS[told[2].lower()])


class Share(click.ParamType):
    """A share of something: `2%`, or `0.02`."""

    name = "share"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """What was typed, from 0 to 1; click also converts defaults."""
        if isinstance(value, (int, float)):
            return float(value)
        told = _SHARE.fullmatch(value)
        share = float(told[1]) / (100 if told[2] else 1) if told else 0.0
        if not 0 < share <= 1:
            self.fail(f"{value!r} is no share, such as 2% or 0.02.", param, ctx)
        return share
