"""The gate: only a statement that reads the catalog's tables, and nothing else, passes.

DuckDB has no read-only mode for files that it may reach: with `allowed_directories` it reads the
Delta tables, and would as well write among them (`COPY … TO`, `EXPORT`, `ATTACH`, `write_blob`).
So each statement is judged before it runs, on the tree that DuckDB's own parser gives for it, and
by allow-lists only: a construct, function or table that is not known here is refused.
"""

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.failures import READ_ONLY, SYNTAX_HINT, refused_by_duckdb
from s3pipelines.core.sql.functions import FUNCTIONS, TABLE_FUNCTIONS

Node = dict[str, Any]

# No comments before it: DuckDB's block comments nest, and a text that only looks like an EXPLAIN
# could hide another statement. ASCII spaces only, for the same reason.
_EXPLAIN = re.compile(
    r"[ \t\r\n]*EXPLAIN\b[ \t\r\n]*(?:ANALYZE\b|\([ \t]*(?:ANALYZE|FORMAT[ \t]+\w+|[ \t,])+\))?",
    re.IGNORECASE | re.ASCII,
)
# A name with a dot, a slash or a star may be a file to DuckDB (`FROM a.csv`).
_PLAIN_NAME = re.compile(r"[^\W\d]\w*")
_EXPRESSION_CLASSES = """
    BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT DEFAULT FUNCTION LAMBDA
    OPERATOR PARAMETER POSITIONAL_REFERENCE STAR SUBQUERY WINDOW
"""
_NODE_TYPES = """
    SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE CTE_NODE
    BASE_TABLE EMPTY EXPRESSION_LIST JOIN PIVOT SHOW_REF SUBQUERY TABLE_FUNCTION
    DISTINCT_MODIFIER LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER ORDER_MODIFIER
    ORDER_DEFAULT ASCENDING DESCENDING
"""
_EXPRESSIONS = frozenset(_EXPRESSION_CLASSES.split())
_NODES = frozenset(_NODE_TYPES.split())
_TYPE_INFO = "_TYPE_INFO"
_NOT_A_SELECT = "Only SELECT statements can be serialized to json!"
_SHOWN = frozenset({'"tables"', '"databases"', '"schemas"', "__show_tables_expanded", ""})
_OUR_SCHEMAS = frozenset({("", ""), ("", "main"), ("", "memory"), ("memory", "main")})
_INFORMATION_SCHEMA = "information_schema"
# The names of the system's own views are the same in every DuckDB of this version.
_VIEWS_AND_TABLES = """
    SELECT schema_name, view_name, internal, temporary FROM duckdb_views()
    UNION ALL SELECT schema_name, table_name, internal, temporary FROM duckdb_tables()
"""


def check_read_only(connection: duckdb.DuckDBPyConnection, statement: str) -> Node:
    """Refuse every statement but one that reads the tables of this connection.

    `SELECT` in all its forms passes (`FROM` first, `VALUES`, `WITH`, `PIVOT … IN (…)`), and so
    do `DESCRIBE`, `SUMMARIZE`, `SHOW TABLES` and `EXPLAIN [ANALYZE] SELECT`.

    Args:
        connection: Parses the statement, and knows which tables there are.
        statement: One statement; a semicolon may end it.

    Returns:
        The tree of it, without an `EXPLAIN`.

    Raises:
        InvalidInput: The statement is refused, or is not SQL.
    """
    tree = parsed(connection, without_explain(statement)[1])
    tables: list[Node] = []
    ctes: set[str] = set()
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            waiting.extend(_checked_parts(node, tables, ctes))
    _check_tables(connection, tables, ctes)
    return tree


def without_explain(statement: str) -> tuple[str, str]:
    """An `EXPLAIN` that a statement begins with, or nothing, and the rest of it."""
    explain = _EXPLAIN.match(statement)
    end = explain.end() if explain else 0
    return statement[:end], statement[end:]


def parsed(connection: duckdb.DuckDBPyConnection, statement: str) -> Node:
    """The tree of the one SELECT that `statement` is.

    Raises:
        InvalidInput: It is not one, or not SQL.
    """
    if "\0" in statement or any("\ud800" <= letter <= "\udfff" for letter in statement):
        raise InvalidInput("The statement is not text.", hint="Write it in UTF-8, without NUL.")
    try:
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [statement]).fetchone()
        answer = json.loads(row[0] if row else "null")
    except duckdb.Error as error:
        raise refused_by_duckdb(str(error), SYNTAX_HINT) from error
    except RecursionError as error:
        raise InvalidInput(
            "The statement is nested too deeply.", hint="Write it with fewer brackets."
        ) from error
    if answer["error"]:
        raise _not_a_select(statement, answer)
    statements = answer["statements"]
    if not statements:
        raise InvalidInput("There is no statement.", hint="For example: FROM objects LIMIT 10")
    if len(statements) > 1:
        raise InvalidInput(
            f"These are {len(statements)} statements.", hint="Give one statement at a time."
        )
    return statements[0]


def nodes(tree: Node) -> Iterator[Node]:
    """Every node of a tree; what a constant holds only looks like some."""
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict) and node.get("class") != "CONSTANT":
            yield node
            waiting.extend(node.values())


def _not_a_select(statement: str, answer: Node) -> InvalidInput:
    if answer["error_message"] != _NOT_A_SELECT:
        return refused_by_duckdb(answer["error_message"], SYNTAX_HINT)
    if re.search(r"\bPIVOT\b", statement, re.IGNORECASE):
        return InvalidInput(
            "This PIVOT does not say for which values.",
            hint="List them: PIVOT objects ON extension IN ('jpg', 'png') USING count(*).",
        )
    word = re.match(r"\s*(\w+)", statement)
    return InvalidInput(
        f"{word[1].upper() if word else 'This'} is refused. {READ_ONLY}",
        hint="Use SELECT, DESCRIBE, SUMMARIZE, SHOW TABLES or EXPLAIN.",
    )


def _checked_parts(node: Node, tables: list[Node], ctes: set[str]) -> Iterable[Any]:
    """Judge one node; what it consists of is judged later, what the tables are at the end."""
    kind = node.get("type")
    if "class" in node:
        _require(node["class"] in _EXPRESSIONS, node["class"])
        if node["class"] == "CONSTANT":
            return ()  # A value; what it holds only looks like nodes.
        if node["class"] in ("FUNCTION", "WINDOW"):
            _check_function(node["function_name"], FUNCTIONS)
    elif isinstance(kind, str):
        _require(kind in _NODES or kind.endswith(_TYPE_INFO), kind)
        if kind == "BASE_TABLE":
            tables.append(node)
        elif kind == "SHOW_REF":
            _require(node["table_name"] in _SHOWN, f"SHOW {node['table_name']}")
        elif kind == "TABLE_FUNCTION":
            _require(node["function"]["class"] == "FUNCTION", node["function"]["class"])
            _check_function(node["function"]["function_name"], TABLE_FUNCTIONS)
            rest = {name: part for name, part in node.items() if name != "function"}
            return (node["function"]["children"], *rest.values())
    ctes.update(entry["key"] for entry in _cte_entries(node))
    return node.values()


def _cte_entries(node: Node) -> list[Node]:
    return (node.get("cte_map") or {}).get("map", [])


def _require(known: bool, what: str) -> None:
    if not known:
        raise InvalidInput(f"{what} is not supported.", hint=READ_ONLY)


def _check_function(name: str, allowed: frozenset[str]) -> None:
    if name.lower() in allowed:
        return
    close = difflib.get_close_matches(name.lower(), allowed, n=1, cutoff=0.8)
    raise InvalidInput(
        f"The function {name}() is unknown or refused. {READ_ONLY}",
        hint=f"Did you mean {close[0]}()?"
        if close
        else "Functions that compute may be called; those that read, write or look around may not.",
    )


def _check_tables(
    connection: duckdb.DuckDBPyConnection, tables: list[Node], ctes: set[str]
) -> None:
    found = connection.execute(_VIEWS_AND_TABLES).fetchall()
    ours = {name.lower() for _, name, internal, _ in found if not internal}
    system = {name.lower() for _, name, internal, _ in found if internal}
    information = {name for schema, name, *_ in found if schema == _INFORMATION_SCHEMA}
    # Made for this statement, in the place of something that it calls otherwise.
    unnamed = {name.lower() for _, name, _, temporary in found if temporary}
    for name in ctes:
        # Where a WITH reaches is not followed here. So none may borrow a name that means
        # something else, to DuckDB, where it does not reach.
        if not _PLAIN_NAME.fullmatch(name) or name.lower() in system:
            raise InvalidInput(
                f"WITH {name!r} is refused.", hint="Give it a plain name of its own."
            )
    reachable = ours | {name.lower() for name in ctes}
    for node in tables:
        catalog, schema = node["catalog_name"].lower(), node["schema_name"].lower()
        name = node["table_name"].lower()
        if schema == _INFORMATION_SCHEMA and catalog in ("", "memory", "system"):
            allowed = name in information
        elif (catalog, schema) == ("", ""):
            allowed = name in reachable
        else:
            allowed = (catalog, schema) in _OUR_SCHEMAS and name in ours
        if not allowed:
            raise _no_such_table(node, ours - unnamed)


def _no_such_table(node: Node, ours: set[str]) -> InvalidInput:
    parts = (node["catalog_name"], node["schema_name"], node["table_name"])
    name = ".".join(part for part in parts if part)
    close = difflib.get_close_matches(name.lower(), ours, n=1)
    about = f" Did you mean {close[0]}?" if close else f" {READ_ONLY}"
    return InvalidInput(
        f"There is no table {name!r}.{about}",
        hint=f"The tables are {', '.join(sorted(ours))}.",
    )
