"""Target keys from a template: `{parent}{stem}.tif`, `{date:%Y/%m}/{key}`, `{tag:rights}/{name}`.

A template becomes one SQL expression, so that ten million target keys are DuckDB's work.
"""

import string
from dataclasses import dataclass

from s3pipelines.core.catalog.duck import sql_text
from s3pipelines.core.errors import InvalidInput

_NAME = "regexp_extract({below}, '(?s)[^/]*$')"
_STEM_AND_END = "'(?s)^(.+)\\.([^.]*)$'"
_PARTS = {
    "key": "the key below the source's prefix",
    "parent": "its folders, with the last slash; empty at the top",
    "name": "its last part",
    "stem": "that without its extension",
    "ext": "the extension, without the dot",
    "date": "when the object was written, as {date:%Y-%m-%d} (UTC)",
    "tag": "the value of an object tag, as {tag:NAME}",
}


@dataclass(frozen=True)
class Template:
    """A template that was read.

    Attributes:
        head: What every target begins with: the text before the first part in braces.
        tags: The names of the object tags that it asks for.
    """

    text: str
    head: str
    tags: frozenset[str]
    _pieces: tuple[tuple[str, str | None, str], ...]

    @property
    def tells_apart(self) -> bool:
        """No two keys of a source can have the same target."""
        parts = {part for _, part, _ in self._pieces if part is not None}
        # Two parts beside each other could be divided in more than one way.
        if "key" in parts:
            return len(parts) == 1
        return [part for _, part, _ in self._pieces if part is not None] == ["parent", "name"]

    def expression(self, prefix: str) -> str:
        """The target as SQL over the view `objects`; NULL where a tag is missing.

        Args:
            prefix: The source's.
        """
        below = f"substr(objects.key, {len(prefix) + 1})"
        terms: list[str] = []
        for literal, part, detail in self._pieces:
            if literal:
                terms.append(sql_text(literal))
            if part is not None:
                terms.append(_expression_of(part, detail, below))
        return " || ".join(terms) or "''"


def parse_template(text: str) -> Template:
    """Read a template.

    Raises:
        InvalidInput: It has a part that is not known, or braces that do not match.
    """
    try:
        parsed = [
            (literal, part, detail or "")
            for literal, part, detail, _ in string.Formatter().parse(text)
        ]
    except ValueError as error:
        raise InvalidInput(
            f"The template {text!r} cannot be read ({error}).",
            hint="Write {{ and }} for braces that are meant as such.",
        ) from error
    for _, part, detail in parsed:
        _check(text, part, detail)
    head = parsed[0][0] if parsed else ""
    tags = frozenset(detail for _, part, detail in parsed if part == "tag")
    return Template(text, head, tags, tuple(parsed))


def _check(text: str, part: str | None, detail: str) -> None:
    if part is None:
        return
    if part not in _PARTS:
        known = ", ".join(f"{{{name}}}" for name in _PARTS)
        raise InvalidInput(
            f"The template {text!r} has {{{part}}}, which is not known.", hint=f"Known are {known}."
        )
    if (part in ("date", "tag")) != bool(detail):
        raise InvalidInput(
            f"The template {text!r} has a {{{part}}} that is not complete.",
            hint=f"{{{part}}} is {_PARTS[part]}.",
        )


def _expression_of(part: str, detail: str, below: str) -> str:
    name = _NAME.format(below=below)
    if part == "date":
        return f"strftime(objects.last_modified, {sql_text(detail)})"
    if part == "tag":
        return (
            "(SELECT any_value(value) FROM tags WHERE tags.key = objects.key "
            f"AND tags.etag = objects.etag AND tags.name = {sql_text(detail)})"
        )
    return {
        "key": below,
        "name": name,
        "parent": f"left({below}, length({below}) - length({name}))",
        "stem": f"CASE WHEN regexp_matches({name}, {_STEM_AND_END}) "
        f"THEN regexp_extract({name}, {_STEM_AND_END}, 1) ELSE {name} END",
        "ext": f"regexp_extract({name}, {_STEM_AND_END}, 2)",
    }[part]
