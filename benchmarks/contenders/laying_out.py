"""Files of `objects` in one layout or another, and what a plain DuckDB takes to ask them."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.contenders.asking_objects import PARQUET, STATEMENTS, made_rows
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.tables import ROW_GROUP_ROWS, TARGET_FILE_BYTES, ZSTD_LEVEL

_COLUMNS = [name for name in OBJECTS.column_names if name != "source"]
_UNIQUE = frozenset({"key", "etag", "size_bytes", "last_modified"})
_SIZES = {"size_bytes": "DELTA_BINARY_PACKED"}
_LENGTHS = {"key": "DELTA_LENGTH_BYTE_ARRAY"}


@dataclass(frozen=True)
class Layout:
    """One way to write them; `codecs` and `encodings` by column, zstd and plain without."""

    group_rows: int = ROW_GROUP_ROWS
    file_bytes: int = TARGET_FILE_BYTES
    codec: str = "zstd"
    codecs: dict[str, str] = field(default_factory=dict)
    encodings: dict[str, str] = field(default_factory=dict)
    dictionaries: bool = False


_PACKED = {"size_bytes": "none"}
LAYOUTS = {
    "zstd": Layout(),
    "zstd, dictionaries": Layout(dictionaries=True),
    "snappy": Layout(codec="snappy"),
    "lz4": Layout(codec="lz4"),
    "packed sizes": Layout(codecs=_PACKED, encodings=_SIZES),
    "packed sizes, lengths apart": Layout(codecs=_PACKED, encodings=_SIZES | _LENGTHS),
    "the same, 32 k rows a group": Layout(32_768, codecs=_PACKED, encodings=_SIZES | _LENGTHS),
    "the same, 128 k rows a group": Layout(131_072, codecs=_PACKED, encodings=_SIZES | _LENGTHS),
    "the same, files of 128 MB": Layout(
        file_bytes=128 * 1024 * 1024, codecs=_PACKED, encodings=_SIZES | _LENGTHS
    ),
    "packed sizes, keys in lz4": Layout(codecs=_PACKED | {"key": "lz4"}, encodings=_SIZES),
    "packed sizes, keys by their differences": Layout(
        codecs=_PACKED, encodings=_SIZES | {"key": "DELTA_BYTE_ARRAY"}
    ),
}


def fill_rows(folder: str, objects: str) -> dict[str, Any]:
    """Make the rows as one file, as DuckDB writes it."""
    with duckdb.connect() as connection:
        rows = made_rows(int(objects))
        connection.execute(f"COPY ({rows}) TO '{folder}/{PARQUET}' (FORMAT parquet)")
    return {}


def lay_out(folder: str, name: str) -> dict[str, Any]:
    """Write the rows anew in a layout, into a folder of its name."""
    layout, target = LAYOUTS[name], Path(folder, name)
    target.mkdir()
    codecs = {column: layout.codecs.get(column, layout.codec) for column in _COLUMNS}
    levels = {column: ZSTD_LEVEL for column, codec in codecs.items() if codec == "zstd"}
    options: dict[str, Any] = {
        "compression": codecs,
        "compression_level": levels or None,
        "use_dictionary": layout.dictionaries or [c for c in _COLUMNS if c not in _UNIQUE],
        "column_encoding": layout.encodings or None,
    }
    started = time.perf_counter()
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM '{folder}/{PARQUET}'")
        _write(rows.to_arrow_reader(layout.group_rows), target, layout, options)
    sizes = [path.stat().st_size for path in target.iterdir()]
    return {"s": time.perf_counter() - started, "mb": sum(sizes) / 1e6, "files": len(sizes)}


def _write(
    rows: pa.RecordBatchReader, target: Path, layout: Layout, options: dict[str, Any]
) -> None:
    batch = next(rows, None)
    number = 0
    while batch is not None:
        with (
            Path(target, f"{number:05}.parquet").open("xb") as file,
            pq.ParquetWriter(file, rows.schema, **options) as writer,
        ):
            while batch is not None and file.tell() < layout.file_bytes * 0.9:
                writer.write_table(pa.Table.from_batches([batch]), layout.group_rows)
                batch = next(rows, None)
        number += 1


def ask_layout(folder: str, name: str, rounds: str) -> dict[str, Any]:
    """Seconds by statement, without the first time."""
    files = sorted(str(path) for path in Path(folder, name).iterdir())
    seconds: dict[str, Any] = {}
    with duckdb.connect() as connection:
        connection.execute("SET parquet_metadata_cache = true")
        connection.execute(f"CREATE VIEW objects AS FROM read_parquet({files!r})")
        for question, statement in STATEMENTS.items():
            for _ in range(int(rounds) + 1):
                started = time.perf_counter()
                connection.execute(statement).to_arrow_table()
                seconds.setdefault(question, []).append(time.perf_counter() - started)
    return {question: times[1:] for question, times in seconds.items()}
