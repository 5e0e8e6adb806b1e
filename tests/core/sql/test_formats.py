"""CSV, JSON and Parquet: what comes out can be read back by others, whatever went in."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.formats import WRITERS, write_csv, write_json, write_parquet
from s3pipelines.core.sql.texts import plain_texts
from tests.examples import examples

Find = Callable[[str], pa.RecordBatchReader]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.fixture
def find() -> Iterator[Find]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield lambda statement: connection.execute(statement).to_arrow_reader(1000)


def as_json(reader: pa.RecordBatchReader) -> list[dict[str, object]]:
    file = io.BytesIO()
    rows = write_json(reader, file)
    found = json.loads(file.getvalue())
    assert len(found) == rows
    return found


def as_csv(reader: pa.RecordBatchReader) -> list[list[str]]:
    file = io.BytesIO()
    rows = write_csv(reader, file)
    found = list(csv.reader(io.StringIO(file.getvalue().decode(), newline="")))
    assert len(found) == rows + 1
    return found


def table(**columns: list[object]) -> pa.RecordBatchReader:
    return pa.table(columns).to_reader()


@pytest.mark.parametrize(
    ("value", "text", "json_value"),
    [
        ("NULL::INT", "", None),
        ("''", "", ""),
        ("e'a\"b\\n,c'", 'a"b\n,c', 'a"b\n,c'),
        ("true", "true", True),
        ("9223372036854775807", "9223372036854775807", 9223372036854775807),
        (
            "170141183460469231731687303715::HUGEINT",
            "170141183460469231731687303715",
            170141183460469231731687303715,
        ),
        ("1.50::DECIMAL(9, 2)", "1.50", 1.5),
        ("1.5::DOUBLE", "1.5", 1.5),
        ("'nan'::DOUBLE", "nan", None),
        ("'inf'::FLOAT", "inf", None),
        ("TIMESTAMPTZ '2024-05-01 12:30:00'", "2024-05-01T12:30:00Z", "2024-05-01T12:30:00Z"),
        (
            "TIMESTAMPTZ '2024-05-01 12:30:00.25+02'",
            "2024-05-01T10:30:00.250000Z",
            "2024-05-01T10:30:00.250000Z",
        ),
        ("TIMESTAMP '2024-05-01 12:30:00'", "2024-05-01T12:30:00", "2024-05-01T12:30:00"),
        ("DATE '2024-05-01'", "2024-05-01", "2024-05-01"),
        ("TIME '12:30:00'", "12:30:00", "12:30:00"),
        ("INTERVAL '14 months 3 days 1.5 seconds'", "P14M3DT1.5S", "P14M3DT1.5S"),
        ("INTERVAL 0 SECONDS", "PT0S", "PT0S"),
        ("'a'::BLOB", "YQ==", "YQ=="),
        ("'x'::ENUM('x', 'y')", "x", "x"),
        ("'{\"a\": 1}'::JSON", '{"a": 1}', '{"a": 1}'),
        ("[1, NULL]", "[1, null]", [1, None]),
        ("['nan'::DOUBLE]", "[null]", [None]),
        (
            "{'a': 1, 'b': [DATE '2024-05-01']}",
            '{"a": 1, "b": ["2024-05-01"]}',
            {"a": 1, "b": ["2024-05-01"]},
        ),
        ("MAP {'k': 1.5}", '{"k": 1.5}', {"k": 1.5}),
        ("MAP {}", "{}", {}),
        (
            "[TIMESTAMPTZ '2024-05-01 12:30:00']",
            '["2024-05-01T12:30:00Z"]',
            ["2024-05-01T12:30:00Z"],
        ),
        (
            "'8009945d-0d8a-476b-99e4-ce680386e167'::UUID",
            "8009945d-0d8a-476b-99e4-ce680386e167",
            "8009945d-0d8a-476b-99e4-ce680386e167",
        ),
    ],
)
def test_each_type_has_one_text_in_csv_and_a_value_in_json(
    find: Find, value: str, text: str, json_value: object
) -> None:
    statement = f"SELECT {value} AS v, 1 AS w"
    assert as_csv(find(statement)) == [["v", "w"], [text, "1"]]
    assert as_json(find(statement)) == [{"v": json_value, "w": 1}]


def test_a_null_differs_from_an_empty_text_in_csv(find: Find) -> None:
    file = io.BytesIO()
    write_csv(find("SELECT NULL::TEXT AS a, '' AS b"), file)
    assert file.getvalue() == b'"a","b"\n,""\n'


def test_a_sum_keeps_all_its_digits_in_json(find: Find) -> None:
    file = io.BytesIO()
    write_json(find("SELECT sum(9007199254740993::BIGINT) AS total FROM range(3)"), file)
    assert file.getvalue() == b'[\n{"total": 27021597764222979}\n]\n'


def test_json_has_a_line_for_each_row_and_nothing_is_an_empty_array(find: Find) -> None:
    file = io.BytesIO()
    assert write_json(find("SELECT i FROM range(3) t(i)"), file) == 3
    assert file.getvalue() == b'[\n{"i": 0},\n{"i": 1},\n{"i": 2}\n]\n'
    file = io.BytesIO()
    assert write_json(find("SELECT 1 AS i WHERE false"), file) == 0
    assert file.getvalue() == b"[]\n"


def test_columns_of_the_same_name_are_told_apart() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([n]) for n in range(4)], ["a", "a", "a_1", "%s"])

    def reader() -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(batch.schema, [batch])

    assert as_json(reader()) == [{"a": 0, "a_2": 1, "a_1": 2, "%s": 3}]
    assert as_csv(reader()) == [["a", "a_2", "a_1", "%s"], ["0", "1", "2", "3"]]
    file = io.BytesIO()
    write_parquet(reader(), file)
    assert pq.read_table(file).column_names == ["a", "a_2", "a_1", "%s"]


@examples(100)
@given(st.lists(TEXTS | st.none(), min_size=1), TEXTS)
def test_any_text_comes_back_from_json(values: list[object], name: str) -> None:
    assert as_json(table(**{name: pa.array(values, pa.string())})) == [
        {name: value} for value in values
    ]


@examples(100)
@given(st.lists(TEXTS, min_size=1), TEXTS)
def test_any_text_comes_back_from_csv(values: list[object], name: str) -> None:
    # Python's reader needs a second column to tell an empty line from an empty text.
    found = as_csv(table(**{name: pa.array(values, pa.string()), f"{name}2": values}))
    assert found == [[name, f"{name}2"], *([value, value] for value in values)]


@examples(100)
@given(st.lists(st.floats(width=64), min_size=1))
def test_any_number_comes_back_from_json_unless_json_has_none(values: list[object]) -> None:
    for row, value in zip(as_json(table(x=pa.array(values, pa.float64()))), values, strict=True):
        assert isinstance(value, float)
        assert row["x"] == (value if math.isfinite(value) else None)


def test_parquet_has_large_row_groups_and_the_same_types(find: Find) -> None:
    statement = "SELECT i, now() AS t, [i] AS l, i::HUGEINT AS h FROM range(300000) t(i)"
    file = io.BytesIO()
    assert write_parquet(find(statement), file) == 300_000
    written = pq.ParquetFile(file)
    sizes = [written.metadata.row_group(n).num_rows for n in range(written.num_row_groups)]
    assert sizes == [131072, 131072, 37856]
    assert written.metadata.row_group(0).column(0).compression == "ZSTD"
    assert written.read().schema.field("t").type == pa.timestamp("us", tz="UTC")
    assert written.read(["i"]).column("i").to_pylist() == list(range(300_000))


def test_parquet_of_nothing_has_the_columns(find: Find) -> None:
    file = io.BytesIO()
    assert write_parquet(find("SELECT 1 AS a, 'x' AS b WHERE false"), file) == 0
    assert pq.read_table(file).column_names == ["a", "b"]


def test_what_parquet_cannot_hold_is_said_in_one_line(find: Find) -> None:
    with pytest.raises(InvalidInput, match="CAST") as error:
        write_parquet(find("SELECT INTERVAL 1 DAY AS i"), io.BytesIO())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_failure_in_the_middle_passes_through(kind: str) -> None:
    schema = pa.schema([("i", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([[1]], schema=schema)
        raise InvalidInput("Too far.", hint="Less.")

    with pytest.raises(InvalidInput, match="Too far"):
        WRITERS[kind](pa.RecordBatchReader.from_batches(schema, batches()), io.BytesIO())


def test_endless_times_have_a_text_too(find: Find) -> None:
    reader = find("SELECT 'infinity'::TIMESTAMPTZ AS t, 'infinity'::DATE AS d")
    for column in reader.read_next_batch().columns:
        assert isinstance(plain_texts(column)[0].as_py(), str)
    with pytest.raises(InvalidInput, match="cannot be shown"):
        as_json(find("SELECT ['infinity'::TIMESTAMPTZ] AS l"))
