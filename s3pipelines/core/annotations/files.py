"""Reading the file that holds annotations: CSV with a header, or Parquet.

Its rows become the temporary table `given`, whose columns have plain names (`c0`, `c1` …), so that
nobody's column can be taken for another: `number` (of the row in the file, from 1), `given_key`,
and what is annotated.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from s3pipelines.core.annotations.csv_columns import open_csv, types_of_texts
from s3pipelines.core.annotations.parquet_types import stored_type
from s3pipelines.core.catalog.schemas import ANNOTATIONS
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.quoting import sql_name, sql_text

PARQUET_ENDINGS = (".parquet", ".pq")
_MOST_NAMED = 3
_RENAME = "Rename it in the file."


@dataclass(frozen=True)
class GivenColumn:
    """One column that is annotated.

    Attributes:
        name: In the file.
        place: In the table `given`.
        type: DuckDB's name of its type; None if it has no value.
    """

    name: str
    place: str
    type: str | None


@dataclass(frozen=True)
class Given:
    """What the table `given` holds.

    Attributes:
        path: Where it comes from.
        key_column: The column of the keys, as the file names it.
        columns: The others.
        rows: How many rows there are.
    """

    path: Path
    key_column: str
    columns: tuple[GivenColumn, ...]
    rows: int


def load(
    connection: duckdb.DuckDBPyConnection, path: Path, key_column: str, text: Sequence[str] = ()
) -> Given:
    """Read a file into the table `given`; what does not fit into memory is spilled.

    Args:
        connection: Made by `core.catalog.duck.connect`.
        path: A CSV file in UTF-8 with a header, or a Parquet file.
        key_column: Which of its columns holds the keys.
        text: Columns that are texts, whatever they look like.

    Raises:
        InvalidInput: The file cannot be read, or its columns cannot be those of the table.
    """
    if not path.is_file():
        raise InvalidInput(f"There is no file {path}.", hint="Name a CSV or a Parquet file.")
    with _reading(path):
        read = _load_parquet if path.suffix.lower() in PARQUET_ENDINGS else _load_csv
        columns = read(connection, path, key_column, text)
        rows = connection.execute("SELECT count(*) FROM given").fetchall()[0][0]
    if not rows:
        raise InvalidInput(f"There is no row in {path}.", hint="Nothing was changed.")
    _require_keys(connection, key_column)
    return Given(path, key_column, columns, rows)


def check_names(names: Sequence[str], key_column: str, text: Sequence[str] = ()) -> None:
    """Refuse names that the table cannot have, or SQL not tell apart.

    Raises:
        InvalidInput: A name is empty, taken, there twice, or asked for and not there.
    """
    for wanted in (key_column, *text):
        if wanted not in names:
            raise _no_such_column(wanted, names)
    taken = set(ANNOTATIONS.column_names)
    for number, name in enumerate(names, 1):
        if not name.strip() or "\0" in name:
            raise InvalidInput(f"Column {number} of the file has no name.", hint=_RENAME)
        if name.lower() in taken and name != key_column:
            raise InvalidInput(
                f"The table has a column {name.lower()!r} of its own, the file must not.",
                hint=_RENAME,
            )
    counts = Counter(name.lower() for name in names)
    for name in names:
        if counts[name.lower()] > 1:
            raise InvalidInput(
                f"The file has more than one column {name!r}; capitals do not count.", hint=_RENAME
            )


def _load_csv(
    connection: duckdb.DuckDBPyConnection, path: Path, key_column: str, text: Sequence[str]
) -> tuple[GivenColumn, ...]:
    file = open_csv(connection, path)
    check_names(file.names, key_column, text)
    places = {name: f"c{number}" for number, name in enumerate(file.names)}
    key = places.pop(key_column)
    listed = ", ".join(("row_number() OVER () AS number", f"{key} AS given_key", *places.values()))
    connection.execute(f"CREATE TEMP TABLE texts AS SELECT {listed} FROM {file.scan()}")
    free = [place for name, place in places.items() if name not in text]
    types = types_of_texts(connection, "texts", free)
    columns = tuple(
        GivenColumn(name, place, types.get(place, "VARCHAR")) for name, place in places.items()
    )
    cast = [f"CAST({c.place} AS {c.type or 'VARCHAR'}) AS {c.place}" for c in columns]
    # A view: to cast again is less than to hold the rows twice.
    connection.execute(
        f"CREATE TEMP VIEW given AS SELECT {', '.join(('number', 'given_key', *cast))} FROM texts"
    )
    return columns


def _load_parquet(
    connection: duckdb.DuckDBPyConnection, path: Path, key_column: str, text: Sequence[str]
) -> tuple[GivenColumn, ...]:
    names = pq.read_schema(path).names
    check_names(names, key_column, text)
    scan = f"read_parquet({sql_text(str(path))}, hive_partitioning = false)"
    types = connection.sql(f"FROM {scan}").types
    if types[names.index(key_column)].id != "varchar":
        raise InvalidInput(
            f"The column {key_column!r} holds no texts.", hint="Name the column with the keys."
        )
    columns = tuple(
        GivenColumn(name, f"c{number}", "VARCHAR" if name in text else stored_type(kind))
        for number, (name, kind) in enumerate(zip(names, types, strict=True))
        if name != key_column
    )
    for column in columns:
        if column.type is None:
            raise InvalidInput(
                f"The column {column.name!r} is of a type that the table cannot hold.",
                hint=f"Add --text {column.name!r}, or leave the column out.",
            )
    cast = [f"CAST({sql_name(c.name)} AS {c.type}) AS {c.place}" for c in columns]
    own = ("row_number() OVER () AS number", f"{sql_name(key_column)} AS given_key")
    connection.execute(f"CREATE TEMP TABLE given AS SELECT {', '.join((*own, *cast))} FROM {scan}")
    return _without_types_of_nothing(connection, columns)


def _without_types_of_nothing(
    connection: duckdb.DuckDBPyConnection, columns: tuple[GivenColumn, ...]
) -> tuple[GivenColumn, ...]:
    """A column of NULLs alone may be of any type; what wrote the file had to name one."""
    counts = ", ".join(("count(*)", *(f"count({column.place})" for column in columns)))
    _, *filled = connection.execute(f"SELECT {counts} FROM given").fetchall()[0]
    return tuple(
        column if count else GivenColumn(column.name, column.place, None)
        for column, count in zip(columns, filled, strict=True)
    )


def _require_keys(connection: duckdb.DuckDBPyConnection, key_column: str) -> None:
    condition = "FROM given WHERE given_key IS NULL OR given_key = ''"
    count = connection.execute(f"SELECT count(*) {condition}").fetchall()[0][0]
    if count:
        first = connection.execute(f"SELECT number {condition} ORDER BY number LIMIT {_MOST_NAMED}")
        numbers = ", ".join(str(number) for (number,) in first.fetchall())
        more = " …" if count > _MOST_NAMED else ""
        raise InvalidInput(
            f"{count:,} rows have no key in {key_column!r}: {numbers}{more} (the first row below "
            "the header is 1).",
            hint="Give each row a key, or remove it.",
        )


def _no_such_column(wanted: str, names: Sequence[str]) -> InvalidInput:
    lower = {name.lower(): name for name in names}
    close = get_close_matches(wanted.lower(), lower, n=1)
    meant = f" Did you mean {lower[close[0]]!r}?" if close else ""
    listed = ", ".join(map(repr, names[:20]))
    return InvalidInput(
        f"The file has no column {wanted!r}.{meant}", hint=f"It has {len(names)}: {listed}."
    )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.InterruptException):
        raise
    except (duckdb.Error, OSError, pa.ArrowException) as error:
        # DuckDB adds the line, its options and much advice.
        first = " ".join(str(error).partition("\n\n")[0].split())[:300]
        raise InvalidInput(
            f"{path} cannot be read ({first}).",
            hint="Give a CSV file in UTF-8 with a header, or a .parquet file.",
        ) from error
