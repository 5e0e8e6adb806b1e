"""Target keys from a template: `{parent}{stem}.tif`, `{date:%Y/%m}/{key}`, `{tag:rights}/{name}`.

A template becomes one SQL expression, so that ten million target keys are DuckDB's work.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.quoting import sql_text

# Whatever may be the name, or the name without its extension, of more than one object.
SHARED_NAMES = "shared_names"
_NAME = "regexp_extract({below}, '(?s)[^/]*$')"
_STEM_AND_END = "'(?s)^(.+)\\.([^.]*)$'"
_PARTS = {
    "key": "the key below the source's prefix",
    "parent": "its folders, with the last slash; empty at the top",
    "name": "its last part",
    "stem": "that without its extension",
    "ext": "the extension, without the dot",
    "base": "the stem; the whole name where another object of the source has the same stem",
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

    @property
    def asks_shared_names(self) -> bool:
        """Its expression needs the table that `shared_names_query` makes."""
        return any(part == "base" for _, part, _ in self._pieces)

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


def shared_names_query(prefix: str) -> str:
    """The digests of the keys below `prefix`, with or without extension, that are not unique.

    With such a stem, an object keeps its whole name as `{base}`: so no two can have the same, not
    even `a.jpg`, `a.png` and `a.jpg.tif`. By hashes, which fit into memory.
    """
    below = f"substr(objects.key, {len(prefix) + 1})"
    stem = _expression_of("parent", "", below) + " || " + _expression_of("stem", "", below)
    return (
        f"SELECT hash(name) AS digest FROM (SELECT {below} AS name FROM objects UNION ALL "
        f"SELECT {stem} AS name FROM objects WHERE {stem} <> {below}) "
        "GROUP BY ALL HAVING count(*) > 1"
    )


def parse_template(text: str, constants: Mapping[str, str] | None = None) -> Template:
    """Read a template.

    Args:
        text: The template.
        constants: Parts that are the same for all objects, by name.

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
    parsed = _with_constants(parsed, constants or {})
    for _, part, detail in parsed:
        _check(text, part, detail, constants or {})
    head = parsed[0][0] if parsed else ""
    tags = frozenset(detail for _, part, detail in parsed if part == "tag")
    return Template(text, head, tags, tuple(parsed))


def _with_constants(
    parsed: list[tuple[str, str | None, str]], constants: Mapping[str, str]
) -> list[tuple[str, str | None, str]]:
    """The pieces with each constant as a part of the text around it."""
    merged: list[tuple[str, str | None, str]] = []
    text = ""
    for literal, part, detail in parsed:
        text += literal
        if part is not None and part in constants and not detail:
            text += constants[part]
            continue
        merged.append((text, part, detail))
        text = ""
    return [*merged, (text, None, "")] if text else merged


def _check(text: str, part: str | None, detail: str, constants: Mapping[str, str]) -> None:
    if part is None:
        return
    if part not in _PARTS:
        known = ", ".join(f"{{{name}}}" for name in (*_PARTS, *constants))
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
    if part == "base":
        folder, stem = (_expression_of(one, "", below) for one in ("parent", "stem"))
        shared = f"hash({folder} || {stem}) IN (SELECT digest FROM {SHARED_NAMES})"
        return f"CASE WHEN {shared} THEN {name} ELSE {stem} END"
    return {
        "key": below,
        "name": name,
        "parent": f"left({below}, length({below}) - length({name}))",
        "stem": f"CASE WHEN regexp_matches({name}, {_STEM_AND_END}) "
        f"THEN regexp_extract({name}, {_STEM_AND_END}, 1) ELSE {name} END",
        "ext": f"regexp_extract({name}, {_STEM_AND_END}, 2)",
    }[part]
