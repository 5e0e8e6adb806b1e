"""Writing what a statement found: CSV, JSON or Parquet, batch by batch.

Memory holds one batch at a time (Parquet: one row group), however long the answer is.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.texts import json_texts, plain_texts

ROW_GROUP_ROWS = 128 * 1024


def write_csv(reader: pa.RecordBatchReader, file: BinaryIO) -> int:
    """Write RFC 4180 CSV with a header, in UTF-8; lines end with a bare newline.

    Texts are quoted and nulls are empty, so that a null and an empty text differ. Times are
    ISO 8601. Lists, structs and maps are JSON texts; bytes are base64.

    Returns:
        The number of rows.
    """
    names = _unique(reader.schema.names)
    schema = pa.schema(
        [(name, _csv_type(field.type)) for name, field in zip(names, reader.schema, strict=True)]
    )
    rows = 0
    with arrow_csv.CSVWriter(file, schema) as writer:
        for batch in reader:
            columns = [
                column if column.type == kind else plain_texts(column)
                for column, kind in zip(batch.columns, schema.types, strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            rows += batch.num_rows
    return rows


def write_json(reader: pa.RecordBatchReader, file: BinaryIO) -> int:
    """Write one JSON array of objects, a line each, in UTF-8.

    Times are ISO 8601 with `Z`, bytes base64, decimals numbers with all their digits; NaN and
    infinity, which JSON does not have, are null.

    Returns:
        The number of rows.
    """
    names = [json_texts(pa.array([name]))[0] for name in _unique(reader.schema.names)]
    # `%` stands for a value below, so one in a name is doubled.
    fields = ", ".join(f"{name.replace('%', '%%')}: %s" for name in names)
    template = "{" + fields + "}"
    rows = 0
    file.write(b"[")
    for batch in reader:
        if not batch.num_rows:
            continue
        values = zip(*(json_texts(column) for column in batch.columns), strict=True)
        file.write(b",\n" if rows else b"\n")
        file.write(",\n".join(template % row for row in values).encode())
        rows += batch.num_rows
    file.write(b"\n]\n" if rows else b"]\n")
    return rows


def write_parquet(reader: pa.RecordBatchReader, file: BinaryIO) -> int:
    """Write Parquet: zstd, row groups of 128 Ki rows.

    Returns:
        The number of rows.

    Raises:
        InvalidInput: A column has a type that Parquet does not know.
    """
    schema = pa.schema(
        [
            field.with_name(name)
            for field, name in zip(reader.schema, _unique(reader.schema.names), strict=True)
        ]
    )
    rows = 0
    try:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for table in _row_groups(reader):
                writer.write_table(table.rename_columns(schema.names), ROW_GROUP_ROWS)
                rows += table.num_rows
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise InvalidInput(
            f"Parquet cannot hold these columns ({' '.join(str(error).split())}).",
            hint="Turn the column into text: CAST(… AS VARCHAR).",
        ) from error
    return rows


WRITERS: dict[str, Callable[[pa.RecordBatchReader, BinaryIO], int]] = {
    "csv": write_csv,
    "json": write_json,
    "parquet": write_parquet,
}


def _row_groups(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in reader:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= ROW_GROUP_ROWS:
            table = pa.Table.from_batches(waiting, reader.schema)
            full = rows - rows % ROW_GROUP_ROWS
            yield table.slice(0, full)
            waiting = table.slice(full).to_batches()
            rows -= full
    if rows:
        yield pa.Table.from_batches(waiting, reader.schema)


def _csv_type(kind: pa.DataType) -> pa.DataType:
    """The type itself where Arrow's CSV writer writes it as documented here, else text."""
    plain = pa.types.is_primitive(kind) and not pa.types.is_temporal(kind)
    return kind if plain or pa.types.is_decimal(kind) else pa.string()


def _unique(names: list[str]) -> list[str]:
    """`a, a` becomes `a, a_1`, as DuckDB names them in a table: an object has each name once."""
    taken: set[str] = set()
    unique = []
    for name in names:
        new, number = name, 0
        while new in taken or (new != name and new in names):
            number += 1
            new = f"{name}_{number}"
        taken.add(new)
        unique.append(new)
    return unique
