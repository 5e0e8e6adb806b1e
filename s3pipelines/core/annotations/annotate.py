"""Taking a file in: its rows replace those of the source, in one commit, or nothing changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from s3pipelines.core.annotations.files import Given, GivenColumn, load
from s3pipelines.core.annotations.keys import UNMATCHED, Matched, match_keys
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import ANNOTATIONS, OBJECTS
from s3pipelines.core.catalog.tables import (
    NO_CLEANUP,
    TARGET_FILE_BYTES,
    WRITER,
    ensure_table,
    open_table,
    source_predicate,
    stored_schema,
    table_errors,
)
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.errors import Busy, InvalidInput
from s3pipelines.core.sources.leases import index_lease
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sql.quoting import sql_name, sql_text
from s3pipelines.core.storage.leases import hold
from s3pipelines.core.storage.whole_files import whole_file

_ATTEMPTS = 5
_BATCH_ROWS = 16 * 1024
_TEXT = "VARCHAR"
# What takes all values of another type as they are.
_WIDER = {("BIGINT", "DOUBLE"), ("DATE", "TIMESTAMP WITH TIME ZONE")}


@dataclass(frozen=True)
class Annotated:
    """What came of it.

    Attributes:
        source_id: The source.
        rows: Rows of the file, which are those of the source now.
        columns: The annotated columns and their types in SQL, as the table has them.
        written: Something differed from what the table had.
        matched: How the rows and the index fit together.
    """

    source_id: str
    rows: int
    columns: dict[str, str]
    written: bool
    matched: Matched


def annotate(
    catalog: Catalog,
    source_id: str,
    path: Path,
    key_column: str,
    *,
    text: Sequence[str] = (),
    unmatched: Path | None = None,
) -> Annotated:
    """Replace the annotations of a source by the rows of a file.

    Rows without an object are taken in as well: it may come later.

    Args:
        catalog: Where the registry and the tables are.
        source_id: A registered source.
        path: A CSV file in UTF-8 with a header, or a Parquet file.
        key_column: Its column with the keys (see `keys` for how they are read).
        text: Columns that are kept as text, whatever they look like.
        unmatched: Where to write the rows without an object, as CSV; also when there are none.

    Raises:
        NotFound: There is no such source.
        InvalidInput: The file cannot be read, or does not go with the table.
        Busy: Other processes change the same rows.
        StorageError: The catalog cannot be read or written.
    """
    source = get_source(catalog, source_id)
    with connect(catalog) as connection:
        given = load(connection, path, key_column, text)
        create_source_views(connection, catalog, source_id, OBJECTS)
        matched = match_keys(connection, given, source.prefix)
        if unmatched is not None:
            _write_unmatched(connection, given, unmatched)
        columns, written = _replace_rows(connection, catalog, source_id, given)
    return Annotated(source_id, given.rows, columns, written, matched)


def _replace_rows(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, source_id: str, given: Given
) -> tuple[dict[str, str], bool]:
    """The columns as the table has them then, and whether anything had to be written."""
    ensure_table(catalog, ANNOTATIONS)
    purpose = f"The annotation of source {source_id!r}"
    with hold(catalog.documents, index_lease(source_id), purpose) as lease:
        get_source(catalog, source_id)  # It may have been deleted meanwhile.
        for _ in range(_ATTEMPTS):
            table = open_table(catalog, ANNOTATIONS)
            stored = _types_of(connection, table)
            fitted = replace(given, columns=_fitted(given.columns, stored))
            columns = {column.name: column.type or _TEXT for column in fitted.columns}
            create_source_views(connection, catalog, source_id, ANNOTATIONS)
            if _is_stored(connection, fitted, stored):
                return columns, False
            lease.confirm()
            try:
                _write(catalog, table, source_id, _rows(connection, source_id, fitted))
            except CommitFailedError:
                continue  # Another source brought columns.
            return columns, True
    raise Busy(
        f"The table {ANNOTATIONS.name!r} was changed {_ATTEMPTS} times while it was written to.",
        hint="Run it again.",
    )


def _types_of(connection: duckdb.DuckDBPyConnection, table: DeltaTable) -> dict[str, str]:
    """The columns that users brought, and their types in SQL."""
    schema = stored_schema(table, ANNOTATIONS)
    types = connection.from_arrow(schema.empty_table()).types
    named = zip(schema.names, map(str, types), strict=True)
    return {name: kind for name, kind in named if name not in ANNOTATIONS.column_names}


def _fitted(columns: Sequence[GivenColumn], stored: dict[str, str]) -> tuple[GivenColumn, ...]:
    """The columns under the names and with the types that the table has already.

    Raises:
        InvalidInput: A type does not go with that of the table.
    """
    names = {name.lower(): name for name in stored}
    fitted: list[GivenColumn] = []
    for column in columns:
        name = names.get(column.name.lower(), column.name)
        there = stored.get(name)
        kind = _sql_type(column.type)
        if there and kind and there != kind and (kind, there) not in _WIDER:
            raise _conflict(column.name, kind, there)
        fitted.append(GivenColumn(name, column.place, there or kind))
    return tuple(fitted)


def _sql_type(kind: str | None) -> str | None:
    """The type as DuckDB writes it itself."""
    return None if kind is None else str(duckdb.sqltype(kind))


def _conflict(name: str, kind: str, there: str) -> InvalidInput:
    rename = f"rename the column in the file, for example to {f'{name}_2'!r}"
    return InvalidInput(
        f"The column {name!r} of the file is {kind}, that of the table, which all sources share, "
        f"is {there}.",
        hint=f"Keep it as text with --text {name!r}, or {rename}."
        if there == _TEXT
        else f"Correct the values that are not {there}, or {rename}.",
    )


def _is_stored(connection: duckdb.DuckDBPyConnection, given: Given, stored: dict[str, str]) -> bool:
    """The view `annotations` has exactly the rows of the file."""
    places = {
        column.name: f"CAST(given.{column.place} AS {column.type})" for column in given.columns
    }
    if not places.keys() <= stored.keys():
        return False
    count = connection.execute("SELECT count(*) FROM annotations").fetchall()[0][0]
    if count != given.rows:
        return False
    same = [
        f"annotations.{sql_name(name)} IS NOT DISTINCT FROM {places.get(name, 'NULL')}"
        for name in stored
    ]
    equal = connection.execute(f"""
        SELECT count(*) FROM annotations JOIN matched ON matched.key = annotations.key
        JOIN given ON given.number = matched.number WHERE {" AND ".join(("true", *same))}
    """)
    return equal.fetchall()[0][0] == given.rows


def _rows(
    connection: duckdb.DuckDBPyConnection, source_id: str, given: Given
) -> pa.RecordBatchReader:
    cast = [
        f"CAST({c.place} AS {c.type or 'VARCHAR'}) AS {sql_name(c.name)}" for c in given.columns
    ]
    own = (
        f"{sql_text(source_id)} AS source",
        "key",
        f"TIMESTAMPTZ {sql_text(datetime.now(UTC).isoformat())} AS annotated_at",
    )
    query = f"SELECT {', '.join((*own, *cast))} FROM given JOIN matched USING (number) ORDER BY key"
    return connection.execute(query).to_arrow_reader(_BATCH_ROWS)


def _write(catalog: Catalog, table: DeltaTable, source_id: str, rows: pa.RecordBatchReader) -> None:
    with table_errors(catalog, ANNOTATIONS.name):
        write_deltalake(
            table,
            rows,
            mode="overwrite",
            schema_mode="merge",
            predicate=source_predicate(source_id),
            target_file_size=TARGET_FILE_BYTES,
            writer_properties=WRITER,
            commit_properties=CommitProperties(
                custom_metadata={"s3pipelines.source": source_id},
            ),
            post_commithook_properties=NO_CLEANUP,
        )


def _write_unmatched(connection: duckdb.DuckDBPyConnection, given: Given, target: Path) -> None:
    names = [f"given_key AS {sql_name(given.key_column)}"]
    names += [f"{column.place} AS {sql_name(column.name)}" for column in given.columns]
    rows = f"SELECT {', '.join(names)} {UNMATCHED} ORDER BY number"
    with whole_file(target.expanduser()) as part:
        connection.execute(
            f"COPY ({rows}) TO {sql_text(str(part))} (FORMAT csv, HEADER, USE_TMP_FILE false)"
        )
