"""A CSV file as DuckDB finds it to be written, and the types that its columns can have.

A column gets another type than text only if every value of it comes back as it was written: of
`007`, `1.50` or `12e5` nobody can tell whether it is a number or a name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from s3pipelines.core.sql.quoting import sql_text

# What DuckDB says of a quote or escape that it found no use of.
_UNUSED = "(empty)"
# The first one that fits. A time with 'T' or 'Z' comes back in another form, as the same time.
_TYPES = {
    "BIGINT": "regexp_full_match({0}, '0|-?[1-9][0-9]{{0,17}}')",
    "DOUBLE": "regexp_full_match({0}, '0|-?[1-9][0-9]{{0,14}}') "
    "OR regexp_full_match({0}, '-?[0-9]+\\.[0-9]+') "
    "AND CAST(TRY_CAST({0} AS DOUBLE) AS VARCHAR) = {0}",
    "BOOLEAN": "{0} IN ('true', 'false')",
    "DATE": "CAST(TRY_CAST({0} AS DATE) AS VARCHAR) = {0}",
    "TIMESTAMPTZ": "regexp_full_match({0}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ][0-9]{{2}}:"
    "[0-9]{{2}}:[0-9]{{2}}(\\.[0-9]{{1,6}})?(Z|[+-][0-9]{{2}}(:[0-9]{{2}})?)?') "
    "AND TRY_CAST({0} AS TIMESTAMPTZ) IS NOT NULL",
}


@dataclass(frozen=True)
class CsvFile:
    """How a CSV file is written.

    Attributes:
        names: What its first line says.
        options: DuckDB's options for reading it, without those of the header and the columns.
    """

    path: Path
    names: tuple[str, ...]
    options: str

    def scan(self, *, header: bool = True) -> str:
        """A relation of its rows, as texts in columns `c0`, `c1` …; what is empty is NULL."""
        return _scan(self.path, self.options, len(self.names), header=header)


def open_csv(connection: duckdb.DuckDBPyConnection, path: Path) -> CsvFile:
    """Find out how a file is written, from all of it.

    Raises:
        duckdb.Error: It is no CSV file in UTF-8.
    """
    sniffed = connection.execute(
        "SELECT Delimiter, Quote, Escape, SkipRows, len(Columns) "
        f"FROM sniff_csv({sql_text(str(path))}, header = true, all_varchar = true, "
        "sample_size = -1)"
    ).fetchall()[0]
    delimiter, quote, escape, skip, count = sniffed
    quote = '"' if quote == _UNUSED else quote
    escape = quote if escape == _UNUSED else escape
    options = (
        f"auto_detect = false, delim = {sql_text(delimiter)}, quote = {sql_text(quote)}, "
        f"escape = {sql_text(escape)}, skip = {int(skip)}"
    )
    first = f"FROM {_scan(path, options, count, header=False)} LIMIT 1"
    names = connection.execute(first).fetchall()[0]
    return CsvFile(path, tuple(name or "" for name in names), options)


def types_of_texts(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]
) -> dict[str, str | None]:
    """The type of each column that holds texts, by what all of them look like.

    Args:
        connection: Has the table.
        table: Its name.
        columns: Plain names.

    Returns:
        DuckDB's names of types; None for a column without any value.
    """
    if not columns:
        return {}
    asked = [
        # What cannot be cast is NULL, which `bool_and` would pass over.
        f"bool_and(coalesce({looks.format(column)}, false)) FILTER ({column} IS NOT NULL)"
        for column in columns
        for looks in _TYPES.values()
    ]
    answers = iter(connection.execute(f"SELECT {', '.join(asked)} FROM {table}").fetchall()[0])
    types: dict[str, str | None] = {}
    for column in columns:
        # Of NULLs alone it is NULL.
        fits = {name: next(answers) for name in _TYPES}
        unknown = None in fits.values()
        types[column] = None if unknown else next((n for n in fits if fits[n]), "VARCHAR")
    return types


def _scan(path: Path, options: str, count: int, *, header: bool) -> str:
    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(count))
    return (
        f"read_csv({sql_text(str(path))}, {options}, header = {str(header).lower()}, "
        f"columns = {{{columns}}})"
    )
