"""Rows as a table for people: few, cropped, and with nothing in them that a terminal obeys."""

from typing import TextIO

import pyarrow as pa
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from s3pipelines.core.errors import printable
from s3pipelines.core.sql.texts import plain_texts

# S3 keys have at most 1,024 bytes: this crops EXIF and attributes, and leaves most keys whole.
CELL_CHARACTERS = 200
# Wide enough that nothing is cropped where the output is not a terminal.
_UNLIMITED = 100_000
_EXPLAINED = ["explain_key", "explain_value"]


def print_rows(reader: pa.RecordBatchReader, max_rows: int, file: TextIO) -> None:
    """Print the first rows, and say whether there are more; the rest is not computed.

    Args:
        reader: What a statement found.
        max_rows: Most rows to print.
        file: Where to; a terminal's width is respected.

    Raises:
        InvalidInput: The statement fails while it is read.
        StorageError: The catalog cannot be read.
    """
    rows = _first_rows(reader, max_rows + 1)
    if reader.schema.names == _EXPLAINED:
        file.writelines(f"{plan}\n" for plan in rows.column(1).to_pylist())
        return
    table = Table(box=box.SIMPLE_HEAD)
    for field in reader.schema:
        number = pa.types.is_primitive(field.type) and not pa.types.is_temporal(field.type)
        table.add_column(
            Text(printable(field.name)),
            justify="right" if number or pa.types.is_decimal(field.type) else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    for values in zip(*map(_cells, rows.slice(0, max_rows).columns), strict=True):
        table.add_row(*values)
    width = None if file.isatty() else _UNLIMITED
    Console(file=file, width=width, highlight=False).print(table)
    file.write(_count(rows.num_rows, max_rows))
    file.flush()


def _first_rows(reader: pa.RecordBatchReader, wanted: int) -> pa.Table:
    batches: list[pa.RecordBatch] = []
    missing = wanted
    while missing > 0:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            break
        batches.append(batch.slice(0, missing))
        missing -= batches[-1].num_rows
    return pa.Table.from_batches(batches, reader.schema)


def _cells(column: pa.ChunkedArray) -> list[Text]:
    values = [value for chunk in column.chunks for value in plain_texts(chunk).to_pylist()]
    return [Text("NULL", style="dim") if value is None else _cell(value) for value in values]


def _cell(value: str) -> Text:
    # Cut first, as values may be megabytes; then escape, and Text knows no markup.
    text = printable(value[: CELL_CHARACTERS + 1])
    return Text(text if len(text) <= CELL_CHARACTERS else f"{text[: CELL_CHARACTERS - 1]}…")


def _count(found: int, max_rows: int) -> str:
    if found > max_rows:
        return f"The first {max_rows:,} rows; there are more (--format csv gives all).\n"
    return f"{found:,} {'row' if found == 1 else 'rows'}\n"
