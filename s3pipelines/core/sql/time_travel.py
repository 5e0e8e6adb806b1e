"""`objects_at('ID', VERSION)` in a statement: the index of a source as it was.

`objects_at('ID@3')` is the version 3 of the source, which does not depend on how long the states of
the index are kept.

DuckDB knows no such function. Before a statement runs, each call of it is replaced by the name of
a view that was made for this statement alone, over the very files of that state. The parser says
where a call stands, so that a text or a comment is never taken for one; what stands there must be
a source and a version or time, written out. The gate judges the statement that comes of it.
"""

import re
from collections.abc import Iterator

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.past import index_at, moment_of_text
from s3pipelines.core.datasets.states import source_state, split_name
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sql.gate import Node, nodes, parsed, without_explain
from s3pipelines.core.sql.quoting import sql_text

FUNCTION = "objects_at"
_TEXT = r"'((?:[^']|'')*)'"
_TIME_TYPES = r"(?:TIMESTAMP|TIMESTAMPTZ|TIMESTAMP\s+WITH\s+TIME\s+ZONE|DATE|DATETIME)"
_CALL = re.compile(
    rf"{FUNCTION}\s*\(\s*{_TEXT}\s*(?:,\s*"
    rf"(?:(\d+)|(?:{_TIME_TYPES}\s*)?{_TEXT}(?:\s*::\s*{_TIME_TYPES})?)\s*)?\)",
    re.IGNORECASE,
)


def with_past_states(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, statement: str
) -> str:
    """The statement with views in the place of its calls of `objects_at`.

    Args:
        connection: Gets the views, as temporary ones.
        catalog: Where the tables are.
        statement: One statement, not judged yet.

    Raises:
        InvalidInput: It is not SQL, or a call is not written out.
        NotFound: There is no such source, or no such state (any more).
        StorageError: The catalog cannot be read.
    """
    if FUNCTION not in statement.lower():
        return statement
    explain, rest = without_explain(statement)
    text = rest.encode()
    views: dict[tuple[str, str | None], str] = {}
    # From the last to the first, so that the places of the others stay as they are.
    calls = sorted(_calls(parsed(connection, rest)), key=lambda node: -node["query_location"])
    for node in calls:
        at = node["query_location"]
        call = _CALL.match(text[at:].decode(errors="replace"))
        if call is None:
            raise _not_written_out()
        source_id, moment = call[1].replace("''", "'"), call[2] or call[3]
        name = views.get((source_id, moment))
        if name is None:
            name = _free_name(statement, len(views))
            _create_view(connection, catalog, name, source_id, moment)
            views[source_id, moment] = name
        # Without a name of its own it is called like the function, as every table function is.
        view = name if node["alias"] else f"{name} AS {FUNCTION}"
        text = text[:at] + view.encode() + text[at + len(call[0].encode()) :]
    return explain + text.decode()


def _calls(tree: Node) -> Iterator[Node]:
    for node in nodes(tree):
        if (
            node.get("type") == "TABLE_FUNCTION"
            and node["function"].get("function_name", "").lower() == FUNCTION
        ):
            yield node


def _free_name(statement: str, number: int) -> str:
    """A name that nothing in the statement has."""
    name = f"{FUNCTION}_{number + 1}"
    while name in statement.lower():
        name += "_"
    return name


def _create_view(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    name: str,
    source_id: str,
    moment: str | None,
) -> None:
    if moment is None:
        if split_name(source_id)[1] is None:
            raise _not_written_out()
        rows = source_state(catalog, source_id).index.rows()
        connection.execute(f"CREATE TEMP VIEW {name} AS {rows}")
        return
    index = index_at(catalog, source_id, moment_of_text(moment))
    if not index.files:
        get_source(catalog, source_id)  # Nothing, because there is no such source?
    connection.execute(f"CREATE TEMP VIEW {name} AS {index.rows()}")


def _not_written_out() -> InvalidInput:
    at = sql_text("2026-11-20 12:00:00")
    return InvalidInput(
        f"{FUNCTION} takes a source and a version or time, both written out, or ID@VERSION.",
        hint=f"Write {FUNCTION}('ID', 12), {FUNCTION}('ID', TIMESTAMP {at}) or {FUNCTION}('ID@3').",
    )
