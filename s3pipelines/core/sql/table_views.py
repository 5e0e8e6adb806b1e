"""The views of a statement: the tables that it names, as they are when it starts.

Each is a temporary view on the statement's own cursor, over the files that may hold what is asked.
The files are in a variable of the cursor, so that the text of a view is short however many there
are. For those who look around (`SHOW TABLES`) there is a view of the same name without rows, which
DuckDB takes only where a statement has none of its own; to read it is an error.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import duckdb

from s3pipelines.core.catalog.duck import duckdb_type, empty_relation
from s3pipelines.core.catalog.key_ranges import KeyRange
from s3pipelines.core.catalog.schemas import OBJECTS, OBJECTS_TAIL, TABLES, TableSchema
from s3pipelines.core.catalog.views import latest_only, with_tail
from s3pipelines.core.sql.prefix_sums import sums, without_whole
from s3pipelines.core.sql.questions import EVERYTHING, Part
from s3pipelines.core.sql.quoting import sql_name, sql_text
from s3pipelines.core.sql.states import TableState, TableStates
from s3pipelines.core.sql.views import BY_PREFIX, VIEWS

_AT_A_TIME = 8
_OVER_OBJECTS = frozenset(view.name for view in VIEWS)


def create_placeholders(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the views by which a session tells which tables there are."""
    for schema in TABLES:
        empty = empty_relation(schema).replace("WHERE false", "WHERE error('not resolved')")
        connection.execute(f"CREATE VIEW {schema.name} AS {empty}")
    for view in VIEWS:
        connection.execute(f"CREATE VIEW {view.name} AS {view.query}")


def create_views(
    cursor: duckdb.DuckDBPyConnection, states: TableStates, asked: Mapping[str, Part]
) -> None:
    """Make the views of one statement.

    Args:
        cursor: The statement's own.
        states: What the tables are now.
        asked: What it asks of each name; others than those of tables and views do not count.

    Raises:
        InvalidInput: A table was written by a newer release.
        StorageError: The catalog cannot be read.
    """
    parts = {schema.name: asked[schema.name] for schema in TABLES if schema.name in asked}
    if not _OVER_OBJECTS.isdisjoint(asked):
        parts[OBJECTS.name] = EVERYTHING
    now = _states_of(states, parts)
    for schema in TABLES:
        if schema.name != OBJECTS.name and schema.name in parts:
            state = now[schema.name]
            rows = _rows(cursor, state, parts[schema.name], schema.name)
            query = f"SELECT * FROM ({rows}) {latest_only(schema)}"
            cursor.execute(f"CREATE TEMP VIEW {schema.name} AS {query}")
    if OBJECTS.name in parts:
        query = _index(cursor, now, parts[OBJECTS.name], "of_index")
        cursor.execute(f"CREATE TEMP VIEW {OBJECTS.name} AS {query}")
    if BY_PREFIX in asked:
        query = _by_prefix(cursor, now)
        cursor.execute(f"CREATE TEMP VIEW {BY_PREFIX} AS {query}")


def _states_of(states: TableStates, names: Iterable[str]) -> dict[str, TableState]:
    known = {schema.name: schema for schema in (OBJECTS_TAIL, *TABLES)}
    wanted = [schema for name, schema in known.items() if name in names]
    if OBJECTS.name not in names:
        return _side_by_side(states, wanted)
    index = (known[OBJECTS.name], known[OBJECTS_TAIL.name])
    before = [states.last(schema) for schema in index]
    now = _side_by_side(states, [*wanted, OBJECTS_TAIL] if OBJECTS_TAIL not in wanted else wanted)
    # The tail is to be read first (see `with_tail`). If both are what they were, they were read so.
    if any(now[schema.name] is not old for schema, old in zip(index, before, strict=True)):
        now[OBJECTS.name] = states.now(known[OBJECTS.name])
    return now


def _side_by_side(states: TableStates, wanted: Sequence[TableSchema]) -> dict[str, TableState]:
    """Each takes a request to S3 or several in a row."""
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return {state.schema.name: state for state in pool.map(states.now, wanted)}


def _index(
    cursor: duckdb.DuckDBPyConnection, now: Mapping[str, TableState], part: Part, variable: str
) -> str:
    merged, tail = now[OBJECTS.name], now[OBJECTS_TAIL.name]
    if not any(tail.of_part(part)):
        return _rows(cursor, merged, merged.first_of(part), f"{variable}_merged")
    base = _rows(cursor, merged, part, f"{variable}_merged")
    return with_tail(f"({base})", f"({_rows(cursor, tail, part, f'{variable}_tail')})")


def _by_prefix(cursor: duckdb.DuckDBPyConnection, now: Mapping[str, TableState]) -> str:
    others, whole = without_whole(now[OBJECTS.name], now[OBJECTS_TAIL.name])
    rest = _index(cursor, {**now, OBJECTS.name: others}, EVERYTHING, "of_prefixes")
    return sums(cursor, rest, whole)


def _rows(cursor: duckdb.DuckDBPyConnection, state: TableState, part: Part, variable: str) -> str:
    """A query for the rows of a state, from the files alone that may hold those of the part."""
    found = list(state.of_part(part))
    columns = _columns(state)
    if not found:
        return _nothing(cursor, state)
    if state.schema.by_source and (len(found) == 1 or _is_misleading(found)):
        scans = []
        for number, (source_id, uris) in enumerate(found):
            _set(cursor, f"{variable}_{number}", uris)
            scan = _scan(state, f"{variable}_{number}", by_path=False)
            scans.append(f"SELECT {sql_text(source_id)} AS source, * FROM {scan}")
        scan = f"({' UNION ALL '.join(scans)})"
    else:
        _set(cursor, variable, [uri for _, uris in found for uri in uris])
        scan = _scan(state, variable, by_path=state.schema.by_source)
    return f"SELECT {columns} FROM {scan}{_key_condition(state, part)}"


def _key_condition(state: TableState, part: Part) -> str:
    """The range of keys once more: of `starts_with` and the like DuckDB makes none itself.

    With it, groups of rows are skipped: a prefix among ten million keys is found in 7 ms, not 216.
    """
    if not state.has_ranges or part.keys == KeyRange():
        return ""
    # A NUL, which ends the next key after one, cannot be written.
    start, end = part.keys.start, part.keys.end
    after = start.removesuffix("\0")
    conditions = [f"key {'>=' if after == start else '>'} {sql_text(after)}"]
    if end is not None:
        last = end.removesuffix("\0")
        conditions.append(f"key {'<' if last == end else '<='} {sql_text(last)}")
    return f" WHERE {' AND '.join(conditions)}"


def _set(cursor: duckdb.DuckDBPyConnection, variable: str, uris: Sequence[str]) -> None:
    # Written out: to bind a list, the client imports pandas first, which takes 0.4 s.
    cursor.execute(f"SET VARIABLE {variable} = [{', '.join(map(sql_text, uris))}]")


def _scan(state: TableState, variable: str, *, by_path: bool) -> str:
    options = "hive_types = {'source': VARCHAR}, " if by_path else ""
    # To unite columns by name, DuckDB opens every file before it begins.
    options += f"hive_partitioning = {by_path}, union_by_name = {not state.uniform}"
    return f"read_parquet(getvariable('{variable}'), {options})"


def _is_misleading(found: Sequence[tuple[str, list[str]]]) -> bool:
    """The paths do not tell the source as it is."""
    # DuckDB takes `null` for NULL, and any `name=value` in the path of the catalog for a column.
    return found[0][1][0].count("=") > 1 or any(source.lower() == "null" for source, _ in found)


def _columns(state: TableState) -> str:
    """The columns of a view; those that the table has not got yet are NULL.

    A release may add a column, and reads tables that no writer of that release has touched yet.
    """
    if state.schema.user_columns:
        return ", ".join(map(sql_name, state.columns.names))
    stored = set(state.columns.names)
    return ", ".join(
        column.name
        if column.name in stored
        else f"CAST(NULL AS {duckdb_type(column.type)}) AS {column.name}"
        for column in state.schema.columns
    )


def _nothing(cursor: duckdb.DuckDBPyConnection, state: TableState) -> str:
    if not state.schema.user_columns:
        return empty_relation(state.schema)
    empty = f"no_{state.schema.name}"
    cursor.register(empty, state.columns.empty_table())
    return f"SELECT * FROM {empty}"
