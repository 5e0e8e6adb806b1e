"""YAML as bucket files are written in it: what is a text in JSON stays a text.

PyYAML reads YAML 1.1, in which `off` is false, `2012-10-17` a date and `012345678901` an octal
number. Policies are full of such texts, so that only what YAML 1.2 reads otherwise is no text here.
"""

import re
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from s3pipelines.core.errors import InvalidInput


class _Loader(yaml.SafeLoader):
    """Safe, without YAML 1.1's surprises; a name that stands twice is refused."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as in PyYAML, which copies it

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; PyYAML would let the last of two equal names hold."""
        seen: set[str] = set()
        for name, _ in node.value:
            if name.value in seen:
                raise ConstructorError(None, None, f"{name.value!r} stands twice", name.start_mark)
            seen.add(name.value)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(0|[1-9][0-9]*)\.[0-9]+", "-+0123456789"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their name, and nothing is folded or referred to."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """PyYAML would write the items of a list flush with its name."""
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Equal parts are written out each time."""
        return True


def read_yaml(text: str, name: str) -> Any:
    """What a YAML file says.

    Args:
        text: Its text; JSON is YAML, too.
        name: What it is called, for errors.

    Raises:
        InvalidInput: It is no YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise InvalidInput(
            f"{name} cannot be read as YAML{where} ({problem}).",
            hint="Correct it; 's3pipelines buckets show NAME --yaml' prints a file to begin with.",
        ) from error


def yaml_text(value: Any) -> str:
    """A plain value as YAML, in the order that it has."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000, indent=2
    )
