"""What a recipe is made of: values of which every field is known, or refused with a suggestion."""

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from s3pipelines.core.sql.suggestions import closest

_HEX = re.compile(r"#(?:[0-9a-f]{6}|[0-9a-f]{8})")
_NAMES = {
    "white": "#ffffff",
    "black": "#000000",
    "gray": "#808080",
    "grey": "#808080",
    "red": "#ff0000",
    "green": "#008000",
    "blue": "#0000ff",
    "transparent": "#ffffff00",
}


class Told(BaseModel):
    """Something that a recipe says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _knows_each_field(cls, given: Any) -> Any:
        if isinstance(given, dict):
            for name in given:
                if name not in cls.model_fields:
                    raise ValueError(unknown("there is no field", str(name), cls.model_fields))
        return given


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """What is said of a name that is not known: which may have been meant, and which there are."""
    names = list(known)
    meant = closest(name, names)
    about = f" (did you mean {meant!r}?)" if meant else ""
    return f"{what} {name!r}{about}; there are {', '.join(names)}"


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong with what was told, and where: `resize.width: …`."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    said = fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return f"{where}: {said}" if where else said


def _colour(text: str) -> str:
    lowered = text.strip().lower()
    colour = _NAMES.get(lowered, lowered)
    if not _HEX.fullmatch(colour):
        names = ", ".join(_NAMES)
        raise ValueError(f"{text!r} is no colour; write #rrggbb, #rrggbbaa, or one of {names}")
    return colour.removesuffix("ff") if len(colour) == 9 else colour


# `#rrggbb`, or `#rrggbbaa` where it is not opaque: one text for one colour.
Colour = Annotated[str, AfterValidator(_colour)]


def parts_of(colour: str) -> tuple[int, int, int, int]:
    """Red, green, blue and alpha of a colour, 0 to 255 each."""
    numbers = [int(colour[at : at + 2], 16) for at in range(1, len(colour), 2)]
    red, green, blue, alpha = (*numbers, 255)[:4]
    return red, green, blue, alpha
