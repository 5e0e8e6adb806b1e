"""Which tables a statement asks, and which part of them can answer it.

A table of a large source has hundreds of files, and over S3 each that is looked into is two
requests or more. Delta's log says which keys each file holds, so that the conditions of a statement
tell which files may matter. DuckDB applies the conditions to the rows afterwards, as ever: what is
said here may be too much, but never too little.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from s3pipelines.core.catalog.key_ranges import KeyRange, prefix_range, successor
from s3pipelines.core.sql.gate import Node, nodes
from s3pipelines.core.sql.key_heads import head_of_regex

_COMPARED = {
    "COMPARE_EQUAL": "=",
    "COMPARE_GREATERTHAN": ">=",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
    "COMPARE_LESSTHAN": "<=",
    "COMPARE_LESSTHANOREQUALTO": "<=",
}
_FLIPPED = {"=": "=", ">=": "<=", "<=": ">="}
_PREFIXED = frozenset({"starts_with", "prefix", "^@"})


_ALL_KEYS = KeyRange()


@dataclass(frozen=True)
class Part:
    """Rows of a table, by their identity.

    Attributes:
        sources: The sources that they can be of; None for any.
        keys: The range that their keys are in.
    """

    sources: frozenset[str] | None = None
    keys: KeyRange = _ALL_KEYS

    def within(self, other: "Part") -> "Part":
        """What is in both."""
        sources = self.sources
        if other.sources is not None:
            sources = other.sources if sources is None else sources & other.sources
        return Part(sources, self.keys.within(other.keys))


EVERYTHING = Part()


def asked_parts(tree: Node) -> dict[str, Part]:
    """What a statement asks of each table or view that it names, by its name in lower case.

    Args:
        tree: As the gate lets it through. A name may also be one of its own `WITH`.
    """
    named: Counter[str] = Counter()
    parts: dict[str, Part] = {}
    for node in nodes(tree):
        if node.get("type") == "BASE_TABLE":
            named[node["table_name"].lower()] += 1
        elif node.get("type") == "SELECT_NODE":
            found = node["from_table"]
            if found and found.get("type") == "BASE_TABLE" and _is_plain(node, found):
                parts[found["table_name"].lower()] = _part(found, node["where_clause"])
    # Asked twice, a table would have to have both parts.
    return {
        name: parts.get(name, EVERYTHING) if times == 1 else EVERYTHING
        for name, times in named.items()
    }


def _is_plain(select: Node, table: Node) -> bool:
    """`key` and `source` in its WHERE are the columns of the table, and nothing goes before it."""
    if select["where_clause"] is None or select["sample"]:
        return False
    if table["sample"] or table["column_name_alias"]:
        return False
    aliases = {item.get("alias", "").lower() for item in select["select_list"]}
    return aliases.isdisjoint(("key", "source"))


def _part(table: Node, where: Node) -> Part:
    own = (table["alias"] or table["table_name"]).lower()
    part = EVERYTHING
    for condition in _conjuncts(where):
        part = part.within(_of_condition(condition, own))
    return part


def _conjuncts(where: Node) -> Iterator[Node]:
    if where["type"] == "CONJUNCTION_AND":
        for child in where["children"]:
            yield from _conjuncts(child)
    else:
        yield where


def _of_condition(condition: Node, own: str) -> Part:
    kind = condition["type"]
    if condition["class"] == "COMPARISON" and kind in _COMPARED:
        left, right, how = condition["left"], condition["right"], _COMPARED[kind]
        if left["class"] == "CONSTANT":
            left, right, how = right, left, _FLIPPED[how]
        return _compared(_column(left, own), how, _text(right))
    if kind == "COMPARE_BETWEEN":
        column = _column(condition["input"], own)
        lower = _compared(column, ">=", _text(condition["lower"]))
        return lower.within(_compared(column, "<=", _text(condition["upper"])))
    if kind == "COMPARE_IN":
        first, *others = condition["children"]
        return _one_of(_column(first, own), [_text(other) for other in others])
    if condition["class"] == "FUNCTION" and len(condition["children"]) == 2:
        first, second = condition["children"]
        if _column(first, own) == "key" and (text := _text(second)) is not None:
            return Part(keys=prefix_range(_head(condition["function_name"].lower(), text)))
    return EVERYTHING


def _compared(column: str, how: str, value: str | None) -> Part:
    if value is None:
        return EVERYTHING
    if how == "=":
        return _one_of(column, [value])
    if column != "key":
        return EVERYTHING
    return Part(keys=KeyRange(value) if how == ">=" else KeyRange(end=successor(value)))


def _one_of(column: str, values: Sequence[str | None]) -> Part:
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return EVERYTHING
    if column == "source":
        return Part(sources=frozenset(known))
    if column == "key":
        return Part(keys=KeyRange(min(known), successor(max(known))))
    return EVERYTHING


def _head(function: str, text: str) -> str:
    """How every key begins that the condition lets through."""
    if function in _PREFIXED:
        return text
    if function == "regexp_matches":
        return head_of_regex(text)
    if function == "~~":  # LIKE, without an escape.
        return re.split("[%_]", text, maxsplit=1)[0]
    return ""


def _column(node: Node, own: str) -> str:
    """The column's name if it is one of the table; empty for anything else."""
    if node["class"] != "COLUMN_REF":
        return ""
    *table, column = (name.lower() for name in node["column_names"])
    return column if table in ([], [own]) else ""


def _text(node: Node) -> str | None:
    if node["class"] != "CONSTANT":
        return None
    value = node["value"]
    if value["type"]["id"] != "VARCHAR" or value["is_null"]:
        return None
    return value["value"] if isinstance(value["value"], str) else None
