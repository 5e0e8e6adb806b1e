"""Names of tables without that of DuckDB's own database, `memory.main.objects`.

The views of a statement are temporary ones, and those lie in another database. `objects` and
`main.objects` find them; with `memory` before it, a name would mean the view without rows.
"""

import re
from collections.abc import Iterator

import duckdb

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.gate import Node, nodes, parsed, without_explain

_DATABASE = "memory"
_QUALIFIER = re.compile(
    rf'(?:"{_DATABASE}"|{_DATABASE})\s*\.\s*(?:(?:"main"|main)\s*\.\s*)?', re.IGNORECASE | re.ASCII
)


def with_own_names(connection: duckdb.DuckDBPyConnection, statement: str) -> str:
    """The statement with plain names in the place of those with a database.

    Args:
        connection: Parses the statement.
        statement: One statement, not judged yet.

    Raises:
        InvalidInput: It is not one SELECT, or not SQL, or a name cannot be found in it.
    """
    if _DATABASE not in statement.lower():
        return statement
    explain, rest = without_explain(statement)
    text = rest.encode()
    for at in sorted(_places(parsed(connection, rest)), reverse=True):
        found = _QUALIFIER.match(text[at:].decode(errors="replace"))
        if found is None:
            raise InvalidInput(
                f"A table is named with its database, {_DATABASE!r}.", hint="Leave that out."
            )
        text = text[:at] + text[at + len(found[0].encode()) :]
    return explain + text.decode()


def _places(tree: Node) -> Iterator[int]:
    """Where the names begin, in bytes."""
    for node in nodes(tree):
        if node.get("type") == "BASE_TABLE":
            catalog, schema = node["catalog_name"].lower(), node["schema_name"].lower()
            if _DATABASE in (catalog, schema if not catalog else "") and schema in (
                "main",
                _DATABASE,
            ):
                yield node["query_location"]
