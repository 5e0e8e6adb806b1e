"""Files in order for a Delta table, and what the log is to say of them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from s3pipelines.core.catalog import sorted_files
from s3pipelines.core.catalog.schemas import DERIVATIVES, IMAGES, TableSchema
from s3pipelines.core.catalog.sorted_files import write_sorted_files
from s3pipelines.core.catalog.tables import WRITER

AT = datetime(2026, 1, 1, 12, 30, 15, 123456, UTC)


def row(schema: TableSchema, number: int, **columns: object) -> dict[str, object]:
    plain = {pa.string(): f"text {number}", pa.int64(): number, pa.float64(): number / 7}
    values = {c.name: plain.get(c.type, AT + timedelta(seconds=number)) for c in schema.columns}
    flags = {c.name: number % 2 == 0 for c in schema.columns if c.type == pa.bool_()}
    return values | flags | {"source": "maps"} | columns


def written(schema: TableSchema, rows: list[dict[str, object]], folder: Path, batch: int = 10):
    table = pa.Table.from_pylist(rows, schema.arrow)
    columns = pa.schema([field for field in schema.arrow if field.name != "source"])
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(batch))
    return write_sorted_files(reader, columns, "maps", folder, data_change=False)


@pytest.mark.parametrize("schema", [IMAGES, DERIVATIVES])
def test_the_log_is_told_what_deltalake_would_tell_it(schema: TableSchema, tmp_path: Path):
    rows = [row(schema, number, error=None) for number in range(5)]
    rows.append(row(schema, 9, error="ü", error_detail=None))

    (added,) = written(schema, rows, tmp_path / "ours")
    table = pa.Table.from_pylist(rows, schema.arrow)
    own = tmp_path / "own"
    write_deltalake(str(own), table, partition_by=["source"], writer_properties=WRITER)

    (log,) = (own / "_delta_log").glob("*.json")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (theirs,) = (json.loads(line["add"]["stats"]) for line in lines if "add" in line)
    ours = json.loads(added.stats)
    assert ours["numRecords"] == theirs["numRecords"] == 6
    assert ours["nullCount"] == theirs["nullCount"]
    assert ours["minValues"].keys() <= theirs["minValues"].keys() | {"error"}
    for name, value in ours["minValues"].items():
        assert theirs["minValues"].get(name, value) == value
    for name, value in ours["maxValues"].items():
        assert theirs["maxValues"].get(name, value) == value
    assert "key" in ours["minValues"]


def test_rows_stay_in_order_across_files_of_the_target_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sorted_files, "TARGET_FILE_BYTES", 40_000)
    rows = [
        row(IMAGES, number, key=f"{number:05}", exif=f"{number * 7919}" * 9)
        for number in range(900)
    ]

    added = written(IMAGES, rows, tmp_path, batch=100)

    tables = [pq.ParquetFile(tmp_path / action.path).read() for action in added]
    keys = [key for table in tables for key in table.column("key").to_pylist()]
    assert keys == [f"{number:05}" for number in range(900)]
    assert len(added) > 1
    assert all(action.size <= 60_000 for action in added), "the footer comes to it"
    assert "source" not in tables[0].column_names


def test_of_a_long_text_and_of_nothing_no_range_is_told(tmp_path: Path):
    rows = [row(IMAGES, 1, exif="x" * 5000, format=None)]

    (added,) = written(IMAGES, rows, tmp_path)

    told = json.loads(added.stats)
    assert not {"exif", "format", "has_icc"} & told["maxValues"].keys()
    assert told["nullCount"]["format"] == 1


def test_no_rows_are_no_file(tmp_path: Path):
    assert written(IMAGES, [], tmp_path) == []
