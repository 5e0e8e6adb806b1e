"""Which tables a statement asks, and which part of them can answer it.

A table of a large source has hundreds of files, and over S3 each that is looked into is two
requests or more. Delta's log says which keys each file holds, so that the conditions of a statement
tell which files may matter. DuckDB applies the conditions to the rows afterwards, as ever: what is
said here may be too much, but never too little.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from s3pipelines.core.catalog.key_ranges import KeyRange, prefix_range, successor
from s3pipelines.core.sql.gate import Node, nodes
from s3pipelines.core.sql.key_heads import head_of_regex

_COMPARED = {
    "COMPARE_EQUAL": "=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
}
_FLIPPED = {"=": "=", ">": "<", ">=": "<=", "<": ">", "<=": ">="}
_PREFIXED = frozenset({"starts_with", "prefix", "^@"})
_ALL_KEYS = KeyRange()


@dataclass(frozen=True)
class Part:
    """Rows of a table, by their identity.

    Attributes:
        sources: The sources that they can be of; None for any.
        keys: The range that their keys are in.
        is_exact: All such rows are asked for, not only some.
        first: So many of them are enough, in the order of their keys; None for all.
    """

    sources: frozenset[str] | None = None
    keys: KeyRange = _ALL_KEYS
    is_exact: bool = True
    first: int | None = None

    def within(self, other: "Part") -> "Part":
        """What is in both."""
        sources = self.sources
        if other.sources is not None:
            sources = other.sources if sources is None else sources & other.sources
        return Part(sources, self.keys.within(other.keys), self.is_exact and other.is_exact)


EVERYTHING = Part()
_SOME = Part(is_exact=False)


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
                parts[found["table_name"].lower()] = _part(node, found)
    # Asked twice, a table would have to have both parts.
    return {
        name: parts.get(name, EVERYTHING) if times == 1 else EVERYTHING
        for name, times in named.items()
    }


def _is_plain(select: Node, table: Node) -> bool:
    """`key` and `source` are the columns of the table, and nothing goes before the WHERE."""
    if select["sample"] or table["sample"] or table["column_name_alias"]:
        return False
    aliases = {item.get("alias", "").lower() for item in select["select_list"]}
    return aliases.isdisjoint(("key", "source"))


def _part(select: Node, table: Node) -> Part:
    own = (table["alias"] or table["table_name"]).lower()
    part = EVERYTHING
    for condition in _conjuncts(select["where_clause"]):
        part = part.within(_of_condition(condition, own))
    if part.is_exact and _gives_rows(select):
        return replace(part, first=_first(select["modifiers"], own))
    return part


def _gives_rows(select: Node) -> bool:
    """It has rows of its table, one by one and as they are."""
    if any(select[name] for name in ("group_expressions", "group_sets", "having", "qualify")):
        return False
    if select["aggregate_handling"] != "STANDARD_HANDLING":  # GROUP BY ALL
        return False
    changed = ("replace_list", "rename_list", "expr", "columns")
    return all(
        item["class"] == "COLUMN_REF"
        or (item["class"] == "STAR" and not any(item[name] for name in changed))
        for item in select["select_list"]
    )


def _first(modifiers: Sequence[Node], own: str) -> int | None:
    """How many rows are wanted, if they are the first ones by key."""
    by_type = {modifier["type"]: modifier for modifier in modifiers}
    if by_type.keys() != {"ORDER_MODIFIER", "LIMIT_MODIFIER"}:
        return None
    order, limit = by_type["ORDER_MODIFIER"]["orders"][0], by_type["LIMIT_MODIFIER"]
    if order["type"] == "DESCENDING" or _column(order["expression"], own) != "key":
        return None
    most = _number(limit["limit"])
    skipped = 0 if limit["offset"] is None else _number(limit["offset"])
    return None if most is None or skipped is None else most + skipped


def _conjuncts(where: Node | None) -> Iterator[Node]:
    if where is None:
        return
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
            return _begun(condition["function_name"].lower(), text)
    return _SOME


def _compared(column: str, how: str, value: str | None) -> Part:
    if value is None:
        return _SOME
    if how == "=":
        return _one_of(column, [value])
    if column != "key":
        return _SOME
    if how in (">", ">="):
        return Part(keys=KeyRange(value if how == ">=" else successor(value)))
    return Part(keys=KeyRange(end=value if how == "<" else successor(value)))


def _one_of(column: str, values: Sequence[str | None]) -> Part:
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return _SOME
    if column == "source":
        return Part(sources=frozenset(known))
    if column == "key":
        keys = KeyRange(min(known), successor(max(known)))
        return Part(keys=keys, is_exact=len(set(known)) == 1)
    return _SOME


def _begun(function: str, text: str) -> Part:
    """The keys that a condition lets through which may tell how they begin."""
    head, is_exact = "", False
    if function in _PREFIXED:
        head, is_exact = text, True
    elif function == "regexp_matches":
        head = head_of_regex(text)
    elif function == "~~":  # LIKE, without an escape.
        head = re.split("[%_]", text, maxsplit=1)[0]
        is_exact = text == f"{head}%"
    keys = prefix_range(head)
    return Part(keys=keys, is_exact=is_exact and keys.end is not None)


def _column(node: Node, own: str) -> str:
    """The column's name if it is one of the table; empty for anything else."""
    if node["class"] != "COLUMN_REF":
        return ""
    *table, column = (name.lower() for name in node["column_names"])
    return column if table in ([], [own]) else ""


def _text(node: Node) -> str | None:
    value = _value(node, "VARCHAR")
    return value if isinstance(value, str) else None


def _number(node: Node | None) -> int | None:
    value = None if node is None else _value(node, "INTEGER")
    return value if isinstance(value, int) else None


def _value(node: Node, kind: str) -> object:
    if node["class"] != "CONSTANT" or node["value"]["is_null"]:
        return None
    return node["value"]["value"] if node["value"]["type"]["id"] == kind else None
