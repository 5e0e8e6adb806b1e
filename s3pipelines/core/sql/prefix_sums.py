"""The view `sources_by_prefix`, without a look at most keys.

The files of a source are sorted by key, and the log knows the first and last key of each. Where
both lie in one folder, so do all keys between them, and only the sizes are read: of ten million
objects a tenth of a second, where to take each key apart takes one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import duckdb

from s3pipelines.core.catalog.key_ranges import KeyFile
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.sql.states import TableState

# Up to and with the second slash, or the first one if there is no other.
PREFIX = "left(key, strpos(key, '/') + strpos(substr(key, strpos(key, '/') + 1), '/'))"
_FILES, _SOURCES, _PREFIXES = "prefix_files", "prefix_sources", "prefix_prefixes"
_LEVELS = 2


def whole_prefix(file: KeyFile) -> str:
    """The prefix of two levels that all keys of a file have, or nothing."""
    first, last = (_prefix(key or "") for key in (file.first, file.last))
    return first if first == last and first.count("/") == _LEVELS else ""


def without_whole(
    merged: TableState, tail: TableState
) -> tuple[TableState, list[tuple[str, str, str]]]:
    """Take those files out of a state that have one prefix each.

    Args:
        merged: The table `objects`.
        tail: The table `objects_tail`; a source that has rows there is left as it is.

    Returns:
        The rest, and what was taken out: source, prefix and address.
    """
    rest: dict[str, list[KeyFile]] = {}
    whole: list[tuple[str, str, str]] = []
    for source_id, files in merged.files.items():
        for file in files:
            prefix = "" if tail.files.get(source_id) else whole_prefix(file)
            if prefix:
                whole.append((source_id, prefix, file.uri))
            else:
                rest.setdefault(source_id, []).append(file)
    return replace(merged, files=rest), whole


def sums(
    cursor: duckdb.DuckDBPyConnection, rest: str, whole: Sequence[tuple[str, str, str]]
) -> str:
    """The query of the view.

    Args:
        cursor: Gets variables.
        rest: A query for the rows of the other files.
        whole: As `without_whole` gives it.
    """
    names = f"source, {PREFIX} AS prefix, count(*) AS objects, sum(size_bytes) AS size_bytes"
    parts = [f"SELECT {names} FROM ({rest}) GROUP BY ALL"]
    if whole:
        files = ", ".join(sql_text(uri) for *_, uri in whole)
        cursor.execute(f"SET VARIABLE {_FILES} = [{files}]")
        _set_map(cursor, _SOURCES, {uri: source_id for source_id, _, uri in whole})
        _set_map(cursor, _PREFIXES, {uri: prefix for _, prefix, uri in whole})
        parts.append(
            f"SELECT getvariable('{_SOURCES}')[filename], getvariable('{_PREFIXES}')[filename], "
            "count(*), sum(size_bytes) "
            f"FROM read_parquet(getvariable('{_FILES}'), hive_partitioning = false) "
            "GROUP BY filename"
        )
    return (
        "SELECT source, prefix, sum(objects)::BIGINT AS objects, "
        f"sum(size_bytes)::BIGINT AS size_bytes FROM ({' UNION ALL '.join(parts)}) GROUP BY ALL"
    )


def _prefix(key: str) -> str:
    folders = key.split("/", _LEVELS)[:-1]
    return "".join(f"{folder}/" for folder in folders)


def _set_map(cursor: duckdb.DuckDBPyConnection, variable: str, values: Mapping[str, str]) -> None:
    pairs = ", ".join(f"{sql_text(name)}: {sql_text(value)}" for name, value in values.items())
    cursor.execute(f"SET VARIABLE {variable} = MAP {{{pairs}}}")
