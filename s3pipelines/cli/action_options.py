"""The options of `batch plan ACTION`, made from what the action is told (its pydantic model)."""

import types
from collections.abc import Callable
from enum import Enum
from typing import Any, Union, get_args, get_origin

import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from s3pipelines.cli.recipe_options import chosen_recipe, recipe_options
from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.conversion.recipe import ConversionRecipe

Options = Callable[[Callable[..., Any]], Callable[..., Any]]
# What takes more than one option to say: how these are added, and how it is read from them.
_SEVERAL: dict[Any, tuple[Options, Callable[[dict[str, Any]], Any]]] = {
    ConversionRecipe: (recipe_options, chosen_recipe)
}


def action_options(action: type[Action]) -> Options:
    """Add an option for each field of what the action is told, with its default and description."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, field in reversed(action.params_type.model_fields.items()):
            several = _SEVERAL.get(_bare(field.annotation))
            command = several[0](command) if several else _option(name, field)(command)
        return command

    return decorate


def chosen_action(action: type[Action], options: dict[str, Any]) -> Action:
    """The action that the options describe; takes what is its own out of them.

    Raises:
        InvalidInput: One of them has a value that it cannot have.
    """
    given = {
        name: _taken(options, name, field)
        for name, field in action.params_type.model_fields.items()
    }
    fields = {
        name: _pairs(name, value) if _is_mapping(action.params_type.model_fields[name]) else value
        for name, value in given.items()
        if value not in (None, ())
    }
    try:
        return action(action.params_type(**fields))
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"--{part} ".replace("_", "-") for part in first["loc"][:1])
        raise InvalidInput(
            f"{where}{first['msg'].removeprefix('Value error, ')}.",
            hint=f"See 's3pipelines batch plan {action.name} --help'.",
        ) from error


def _taken(options: dict[str, Any], name: str, field: FieldInfo) -> Any:
    several = _SEVERAL.get(_bare(field.annotation))
    return several[1](options) if several else options.pop(name)


def _option(name: str, field: FieldInfo) -> Callable[..., Any]:
    flag = f"--{name.replace('_', '-')}"
    kind, help_text = _bare(field.annotation), field.description
    if kind is bool:
        return click.option(flag, name, is_flag=True, help=help_text)
    if _is_mapping(field):
        return click.option(flag, name, multiple=True, metavar="NAME=VALUE", help=help_text)
    if get_origin(kind) in (list, tuple):
        return click.option(flag, name, multiple=True, metavar="NAME", help=help_text)
    type_: Any = kind
    if isinstance(kind, type) and issubclass(kind, Enum):
        type_ = click.Choice([member.value for member in kind])
    default = field.default
    shown = default.value if isinstance(default, Enum) else default
    return click.option(
        flag,
        name,
        type=type_,
        required=field.is_required(),
        default=None if field.is_required() else shown,
        show_default=bool(shown),
        help=help_text,
    )


def _bare(annotation: Any) -> Any:
    """The type without `| None`."""
    if get_origin(annotation) in (types.UnionType, Union):
        return next(part for part in get_args(annotation) if part is not types.NoneType)
    return annotation


def _is_mapping(field: FieldInfo) -> bool:
    return get_origin(_bare(field.annotation)) is dict


def _pairs(name: str, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for given, separator, _ in pairs:
        if not given or not separator:
            raise InvalidInput(
                f"--{name.replace('_', '-')} {given!r} has no value.", hint="Write NAME=VALUE."
            )
    return {given: value for given, _, value in pairs}
